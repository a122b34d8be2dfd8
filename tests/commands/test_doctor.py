"""``r2po doctor``: what it says of a model that works, and of each thing that can be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.cli import main
from r2po.llm.providers import wire
from tests.llm.failures import nobody_listens
from tests.llm.fake_servers import SERVERS, FakeAnthropic, FakeGemini, FakeOllama, FakeOpenAI, FakeServer
from tests.llm.fake_servers.core import Fault, stall, status
from tests.llm.fake_servers.foreign import LiteLLMAsGemini, LlamaCppAsAnthropic

KEY = "marker-key-of-some-length-3a7b"
GOOD = "params[0]: 1, params[1]: 0"
NOT_HELD = "the server does not hold the model to the schema of structured_output"
CONTEXT = {"Ollama": 131072, "OpenAI": 65536, "OpenRouter": 200_000, "Anthropic": 200_000, "Gemini": 1_048_576}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for server in SERVERS.values():
        monkeypatch.delenv(server.base_url_variable, raising=False)
        monkeypatch.delenv(server.key_variable, raising=False)


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in an environment; return exit code and findings."""

    def run(environ: Mapping[str, str], *options: str) -> tuple[int, list[tuple[str, str, str]]]:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        code = main(["doctor", *options])
        said = capsys.readouterr()
        assert said.err == ""
        assert KEY not in said.out
        lines = [line.split(maxsplit=2) for line in said.out.splitlines()]
        return code, [(verdict, what.rstrip(":"), text) for verdict, what, text in lines]

    return run


@pytest.mark.parametrize("name", SERVERS)
def test_a_model_that_works(name: str, doctor: Any) -> None:
    with SERVERS[name]([GOOD], key=KEY) as server:
        code, findings = doctor(server.environ, "--model", server.model)
        assert len(server.chats) == 1
    assert code == 0
    assert [(verdict, what) for verdict, what, _ in findings] == [
        ("ok", what) for what in ("key", "server", "model", "context", "call", "tokens", "format")
    ]
    text = {what: text for _, what, text in findings}
    assert text["key"] == f"{server.key_variable} is set"
    assert text["server"] == f"{server.url} answers"
    assert text["context"] == f"{CONTEXT[name]:,} tokens"
    assert text["call"].startswith("answered in ")
    assert text["tokens"].startswith("prompt ")
    assert ", completion 6, reasoning unknown" in text["tokens"]


def failed(findings: list[tuple[str, str, str]]) -> tuple[str, str]:
    """Return the only failure, which is the last finding."""
    assert [verdict for verdict, _, _ in findings].count("FAILED") == 1
    verdict, what, text = findings[-1]
    assert verdict == "FAILED"
    return what, text


@pytest.mark.parametrize("name", SERVERS)
def test_what_is_wrong_and_what_to_change(name: str, doctor: Any) -> None:
    kind = SERVERS[name]
    with kind(key=KEY) as server:
        code, findings = doctor({**server.environ, server.key_variable: "wrong-key"}, "--model", server.model)
        assert code == 2
        what, text = failed(findings)
        assert what == "server"
        assert f"check {server.key_variable}" in text

        code, findings = doctor({**server.environ, server.key_variable: ""}, "--model", server.model)
        assert code == 2
        assert findings[0] == ("note", "key", f"{server.key_variable} is not set; many self-hosted servers need none")
        assert f"set {server.key_variable}" in failed(findings)[1]

        server.models = [f"{model}-2" for model in kind.default_models]
        code, findings = doctor(server.environ, "--model", server.model)
        assert code == 2
        what, text = failed(findings)
        assert what == "model"
        assert "has no model" in text

        with nobody_listens() as nowhere:
            code, findings = doctor({server.base_url_variable: nowhere}, "--model", server.model)
        assert code == 2
        what, text = failed(findings)
        assert what == "server"
        assert "connection refused" in text
        assert f"{server.base_url_variable} chooses the server" in text


@pytest.mark.parametrize("name", [name for name in SERVERS if name != "Ollama"])
def test_a_missing_key_is_named_before_anyone_is_contacted(name: str, doctor: Any) -> None:
    kind = SERVERS[name]
    code, findings = doctor({}, "--model", kind.model)
    assert code == 2
    assert len(findings) == 1
    what, text = failed(findings)
    assert what == "key"
    assert f"{kind.key_variable} is not set" in text


CALLS: list[tuple[type[FakeServer], Fault, str]] = [
    (FakeOpenAI, status(400, {"error": {"message": "'temperature' does not do"}}), "'temperature' does not do"),
    (FakeOpenAI, status(503), "this may pass: try again later"),
    (FakeAnthropic, status(404, {"error": {"message": "gone"}}), "check the model name and ANTHROPIC_BASE_URL"),
    (FakeGemini, status(200, FakeGemini().cut_off("para")), "raise max_output_tokens"),
    (FakeOllama, status(200, FakeOllama().cut_off("")), "raise max_output_tokens"),
    (FakeOllama, status(200, {"message": {"content": ""}}), "has no text"),
]


@pytest.mark.parametrize(("kind", "fault", "advice"), CALLS)
def test_a_call_that_fails(kind: type[FakeServer], fault: Fault, advice: str, doctor: Any) -> None:
    with kind(key=KEY) as server:
        server.always(fault)
        code, findings = doctor(server.environ, "--model", server.model)
        assert len(server.chats) == 1
    assert code == 2
    what, text = failed(findings)
    assert what == "call"
    assert advice in text


def test_a_server_that_tells_nothing(doctor: Any) -> None:
    with FakeOpenAI([{"choices": [{"message": {"content": "Sure!", "reasoning": "hm"}}], "usage": None}]) as server:
        server.always(status(404), path="/models")
        code, findings = doctor(server.environ, "--model", "tiny")
    assert code == 0
    assert [(verdict, what) for verdict, what, _ in findings] == [
        ("note", "key"),
        ("ok", "server"),
        ("note", "model"),
        ("note", "context"),
        ("ok", "call"),
        ("note", "tokens"),
        ("ok", "thinking"),
        ("note", "format"),
    ]


def structured(tmp_path: Path, model: str) -> tuple[str, str]:
    """Return the options that name a config with structured output."""
    values = {"method": "props", "gym_env_name": "CartPole-v1", "logdir": "logs", "llm_model_name": model}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**values, "structured_output": True}))
    return "--config", "config.yaml"


def test_llama_cpp_in_anthropics_format(doctor: Any, tmp_path: Path) -> None:
    with LlamaCppAsAnthropic([GOOD, GOOD], key=KEY) as server:
        _, findings = doctor(server.environ, "--model", server.model)
        assert ("ok", "model", "claude-tiny is known there") in findings
        assert ("ok", "context", "8,192 tokens") in findings
        code, findings = doctor(server.environ, *structured(tmp_path, server.model))
        assert (code, findings[-1]) == (0, ("ok", "format", "the reply could be used"))
        assert findings[-2] == ("note", "schema", NOT_HELD)
        code, findings = doctor(server.environ, "--model", "claude-tinny")
    assert code == 2
    assert "has no model 'claude-tinny' (did you mean 'claude-tiny'?)" in failed(findings)[1]


@pytest.mark.parametrize(
    ("text", "held"), [('{"params": [0, 1], "reasoning": ""}', True), (GOOD, False), ("[1]", False)]
)
def test_a_schema_that_is_not_enforced_is_told(text: str, held: bool, doctor: Any, tmp_path: Path) -> None:
    with LiteLLMAsGemini([text, text], key=KEY) as server:
        code, findings = doctor(server.environ, *structured(tmp_path, server.model))
        assert code == 0
        assert (("note", "schema", NOT_HELD) in findings) is not held
        _, findings = doctor(server.environ, "--model", server.model)  # without a schema there is nothing to hold to
        assert "schema" not in [what for _, what, _ in findings]


def test_a_silent_server_is_given_up_soon(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wire.CHECK_TIMEOUT_S <= 10
    monkeypatch.setattr(wire, "CHECK_TIMEOUT_S", 0.3)
    with FakeOpenAI() as server:
        server.always(stall(), path="/models")
        code, findings = doctor(server.environ, "--model", "tiny")
    assert code == 2
    assert "no complete answer within 0.3 s" in failed(findings)[1]


def test_a_config_brings_its_settings(doctor: Any, tmp_path: Path) -> None:
    config = {
        "method": "props",
        "gym_env_name": "CartPole-v1",
        "logdir": "logs",
        "llm_model_name": "ollama/tiny",
        "temperature": 0.25,
        "structured_output": True,
        "num_ctx": 9000,
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with FakeOllama(['{"params": [0, 1], "reasoning": ""}']) as server:
        code, findings = doctor(server.environ, "--config", "config.yaml")
        assert server.chats[0]["options"] == {"temperature": 0.25, "num_ctx": 9000}
        assert server.chats[0]["format"]["properties"]["params"]["minItems"] == 2
        assert (code, findings[-1][:2]) == (0, ("ok", "format"))
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({**config, "num_ctx": 200_000}))
        code, findings = doctor(server.environ, "--config", "config.yaml")
    assert code == 2
    assert failed(findings) == ("context", "131,072 tokens, but num_ctx is 200,000: lower it in the config")


def test_a_prefix_and_the_server_of_a_config(doctor: Any, tmp_path: Path) -> None:
    config = {"method": "props", "gym_env_name": "CartPole-v1", "logdir": "logs", "llm_model_name": "openai:claude/x:y"}
    with FakeOpenAI(lambda _: GOOD, models=["claude/x:y"]) as server:
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({**config, "base_url": server.url}))
        code, findings = doctor({"OPENAI_API_KEY": KEY}, "--config", "config.yaml")
    assert code == 0
    assert ("ok", "server", f"{server.url} answers") in findings
    assert ("ok", "model", "claude/x:y is known there") in findings


def test_the_stand_in_needs_nothing(doctor: Any) -> None:
    code, findings = doctor({}, "--model", "embedded/search")
    assert code == 0
    assert findings[0] == ("note", "model", "embedded/search needs no key and no server")
    assert findings[-1] == ("ok", "format", "the reply could be used")


@pytest.mark.parametrize("model", ["openrouter/x", "ollama/", "embedded/serch", "replay/nowhere", ""])
def test_a_name_that_names_no_model(model: str, doctor: Any) -> None:
    code, findings = doctor({}, "--model", model)
    assert code == 2
    assert failed(findings)[0] == "name"


def test_without_a_model_it_says_which_keys_are_set(doctor: Any) -> None:
    code, findings = doctor({"OPENAI_API_KEY": KEY, "GEMINI_API_KEY": " "})
    assert code == 0
    assert len(findings) == len(SERVERS)
    verdicts = {text.split()[0]: verdict for verdict, _, text in findings}
    assert verdicts == {server.key_variable: "ok" if server is FakeOpenAI else "note" for server in SERVERS.values()}
