"""``structured_output``: the schema, the prompt that goes with it, how its replies are read, and whole runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from r2po.cli import main
from r2po.config import differences
from r2po.errors import UnusableReply
from r2po.llm.providers.schema import listed
from r2po.llm.registry import provider_for
from r2po.llm.store import call_key
from r2po.llm.types import ProviderSettings, Question
from r2po.methods.asking import SolutionReader
from r2po.policies import NumericFamily, PolicyConfig
from r2po.policies.linear import Linear
from r2po.policies.tabular import Tabular
from r2po.runlog.events import FILE
from r2po.runlog.jsonl import iterate_lines
from r2po.tasks.spaces import Spaces
from tests.builders import make_config, open_client
from tests.llm.fake_servers import SERVERS
from tests.llm.fake_servers.core import FakeServer
from tests.llm.fake_servers.openai import FakeLlamaCpp, FakeOpenAI
from tests.llm.test_client import QUESTION
from tests.process.processes import CARTPOLE, player
from tests.scripted import Scripted, make_request

TABLE = Tabular(Spaces(True, 2, True, 3, 1, (), (), None))


def linear(size: int) -> Linear:
    return Linear(Spaces(False, size, False, 1, 0, (-1.0,), (1.0,), None), PolicyConfig(bias=False))


# ---- The schema ----


def test_the_schema_of_a_table() -> None:
    assert TABLE.schema() == {
        "type": "object",
        "properties": {
            "params": {"type": "array", "items": {"type": "integer", "enum": [1, 2, 3]}, "minItems": 2, "maxItems": 2},
            "reasoning": {"type": "string"},
        },
        "required": ["params", "reasoning"],
        "additionalProperties": False,
    }


def test_the_schema_of_real_numbers() -> None:
    params = linear(4).schema()["properties"]["params"]
    assert params["items"] == {"type": "number", "minimum": -6.0, "maximum": 6.0, "multipleOf": 0.1}
    assert (params["minItems"], params["maxItems"]) == (4, 4)


# ---- Reading ----


@given(
    st.lists(st.floats(-1e12, 1e12, allow_nan=False), min_size=1, max_size=8),
    st.text(),
    st.booleans(),
    st.sampled_from(["{}", "```json\n{}\n```", "\n```\n{}```\n", "<think>params[0]: 7</think>{}"]),
    st.sampled_from([None, 0, 2]),
)
def test_an_object_is_read_back_exactly_whatever_its_reasoning_says(
    params: list[float], said: str, first: bool, around: str, indent: int | None
) -> None:
    reasoning = {"reasoning": f"params[0]: 9, params = {[9.0] * len(params)}, {said.replace('<', '')}"}
    whole = {"params": params, **reasoning} if first else {**reasoning, "params": params}
    reply = around.replace("{}", json.dumps(whole, indent=indent))
    assert linear(len(params)).read(reply) == tuple(params)


def test_an_object_among_prose_is_read_as_a_list() -> None:
    text = 'Here it is:\n{"params": [1, 2], "reasoning": "because"}\nI hope it helps.'
    assert TABLE.read(text) == (1, 2)
    assert TABLE.read("{'params': [3.0, 2]}") == (3, 2)


@pytest.mark.parametrize(
    ("text", "policy", "reason"),
    [
        ('{"params": [1]}', TABLE, "missing params[1]"),
        ('{"params": [1, 2, 3]}', TABLE, "params[2] given, but there are only"),
        ('{"params": [1, 4]}', TABLE, "params[1] is 4, not one of 1, 2, 3"),
        ('{"params": []}', TABLE, "missing params[0], params[1]"),
        ('{"params": [NaN, 2]}', TABLE, "params[0] is 'NaN', not a finite number"),
        ('{"params": [1, Infinity]}', linear(2), "params[1] is 'Infinity'"),
        ('{"params": [1, 1e999]}', linear(2), "params[1] is '1e999'"),
        ('{"params": [true, null]}', TABLE, "params[0] is 'true'"),
        ('{"params": [[1, 2], 2]}', TABLE, "params[0] is"),
        ('{"params": ["__import__", 2]}', TABLE, "params[0] is '__import__'"),
        ('{"params": [1, 2], "params": [1, 3]}', TABLE, "contradicting values for params[1]"),
        ('{"params": {"0": 1}}', TABLE, "no parameters found"),
        ('{"reasoning": "none"}', TABLE, "no parameters found"),
        ("[" * 100_000, TABLE, "no parameters found"),
        ('{"params": ' + "[" * 100_000, TABLE, "no parameters found"),
    ],
)
def test_what_is_refused(text: str, policy: NumericFamily, reason: str) -> None:
    with pytest.raises(UnusableReply) as caught:
        policy.read(text)
    assert reason in str(caught.value)


# ---- What each server is sent ----

BOUNDS = {"type": "number", "minimum": -6.0, "maximum": 6.0}
TENTHS = {"type": "number", "enum": [tenth / 10 for tenth in range(-60, 61)]}


def items_in(body: Any) -> Any:
    """Return the description of a parameter in a request, wherever the schema is."""
    if isinstance(body, dict):
        if "params" in body and "items" in body["params"]:
            return body["params"]["items"]
        body = list(body.values())
    found = (items_in(each) for each in body) if isinstance(body, list) else ()
    return next((each for each in found if each), None)


def sent_items(server: FakeServer, schema: Any) -> Any:
    with server:
        provider = provider_for(server.model, ProviderSettings(server.environ, 10))
        provider.complete(make_request("hello", {"structured_output": True}, schema=schema))
        return items_in(server.chats[-1])


@pytest.mark.parametrize("name", ["OpenAI", "OpenRouter", "Anthropic"])
def test_bounds_are_sent_where_servers_enforce_them(name: str) -> None:
    assert sent_items(SERVERS[name](lambda _: '{"params": [1, 2]}'), linear(2).schema()) == BOUNDS


@pytest.mark.parametrize("make", [FakeLlamaCpp, SERVERS["Ollama"]])
def test_values_are_listed_where_servers_ignore_bounds(make: Any) -> None:
    """llama.cpp's grammars, which Ollama uses too, have no bounds: a model may then answer 7e13."""
    assert sent_items(make(), linear(2).schema()) == TENTHS
    assert sent_items(make(), TABLE.schema()) == {"type": "integer", "enum": [1, 2, 3]}


@given(st.integers(-40, 40), st.integers(1, 60), st.integers(0, 3))
def test_listed_values_are_those_on_the_grid_and_at_most_500(low: int, width: int, decimals: int) -> None:
    number = {"type": "number", "minimum": low, "maximum": low + width, "multipleOf": round(10.0**-decimals, decimals)}
    schema = listed({"params": {"items": number}})["params"]["items"]
    count = width * 10**decimals + 1
    if count > 500:
        assert schema == {"type": "number", "minimum": low, "maximum": low + width}
        return
    assert len(schema["enum"]) == count
    for index, value in enumerate(schema["enum"]):
        assert value == round(low + index / 10**decimals, decimals)


def test_the_log_says_which_of_them_was_sent() -> None:
    for make, said in ((FakeLlamaCpp, "json_schema with listed values"), (FakeOpenAI, "json_schema")):
        with make() as server:
            provider = provider_for(server.model, ProviderSettings(server.environ, 10))
            reply = provider.complete(make_request("hello", {"structured_output": True}, schema=linear(2).schema()))
        assert reply.sent["response_format"] == said


# ---- What comes back ----


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        ("7.3", "params[1] is 7.3; expected a number from -6 to 6 with 1 decimal"),
        ("-6.1", "params[1] is -6.1; expected a number from -6 to 6 with 1 decimal"),
        ("0.25", "params[1] is 0.25; expected a number from -6 to 6 with 1 decimal"),
        ("7e13", "params[1] is 7e13; expected a number from -6 to 6 with 1 decimal"),
        ("-6.0", ""),
        ("6", ""),
    ],
)
def test_values_that_a_server_let_pass_are_refused(value: str, refusal: str, tmp_path: Path) -> None:
    text = f'{{"params": [1.0, {value}], "reasoning": "because"}}'
    with open_client(Scripted([text]), tmp_path) as client:
        received = client.ask(QUESTION, SolutionReader(linear(2), list, strict=True))
    assert received.refusal == refusal


def test_free_text_may_leave_the_range_as_published(tmp_path: Path) -> None:
    with open_client(Scripted(["params[0]: 1.0, params[1]: 7.25\nbecause"]), tmp_path) as client:
        assert client.ask(QUESTION, SolutionReader(linear(2), list)).value == (1.0, 7.25)


def test_what_an_earlier_version_used_is_used_again(tmp_path: Path) -> None:
    with open_client(Scripted(['{"params": [1.0, 7.25]}']), tmp_path) as client:
        client.ask(QUESTION, SolutionReader(linear(2), list))  # as it was read then
    with open_client(Scripted([]), tmp_path) as client:
        received = client.ask(QUESTION, SolutionReader(linear(2), list, strict=True))
    assert (received.value, received.refusal) == ((1.0, 7.25), "")


# ---- Config and keys ----


def test_runs_without_it_keep_their_addresses_and_older_runs_can_be_resumed() -> None:
    plain = make_config("cartpole", temperature=0.0)
    off = make_config("cartpole", temperature=0.0, structured_output=False)
    on = make_config("cartpole", temperature=0.0, structured_output=True)
    assert plain.sampling == off.sampling == {"temperature": 0.0}
    assert on.sampling == {"temperature": 0.0, "structured_output": True}
    question = Question(1, "search", 0, 1, "prompt")
    with_schema = Question(1, "search", 0, 1, "prompt", TABLE.schema())
    assert call_key("m", plain.sampling, question) == call_key("m", plain.sampling, with_schema)
    assert call_key("m", plain.sampling, question) != call_key("m", on.sampling, question)
    new = plain.model_dump()
    old = {key: value for key, value in new.items() if key not in ("structured_output", "reasoning_effort")}
    assert differences(old, new) == []
    assert differences(old, on.model_dump()) == ["structured_output"]


# ---- Whole runs ----


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, **changes: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Run an experiment; return the first request and the logged calls."""
    monkeypatch.chdir(folder)
    with SERVERS[name](player) as server:
        values = {**CARTPOLE, "llm_model_name": server.model, "num_iterations": 2, **changes}
        (folder / "config.yaml").write_text(yaml.safe_dump(values))
        for variable, value in server.environ.items():
            monkeypatch.setenv(variable, value)
        assert main(["run", "--config", "config.yaml", "--quiet"]) == 0
        assert len(server.chats) == 4
        return server.chats[0], list(iterate_lines(folder / "logs/run_1" / FILE))


@pytest.mark.parametrize("name", SERVERS)
def test_a_run_with_a_schema(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body, events = run(tmp_path, monkeypatch, name, structured_output=True)
    assert '"minItems": 10' in json.dumps(body)
    assert '{\\"params\\": [v, v, ...]' in json.dumps(body)
    assert "params[0]: v" not in json.dumps(body)
    replies = [event for event in events if event["event"] == "reply"]
    assert [event["refusal"] for event in replies] == [""] * 4
    assert all(len(json.loads(event["text"])["params"]) == 10 for event in replies)
    assert "minItems" not in json.dumps(replies)


@pytest.mark.parametrize("name", SERVERS)
def test_a_run_without_one(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body, events = run(tmp_path, monkeypatch, name)
    assert "minItems" not in json.dumps(body)
    replies = [event for event in events if event["event"] == "reply"]
    assert [event["refusal"] for event in replies] == [""] * 4
    assert all(event["text"].startswith("params[0]: ") for event in replies)
