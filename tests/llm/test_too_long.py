"""Prompts that a model cannot hold: refused before they are sent, wherever the server tells how long they may be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from r2po.errors import RunStopped
from r2po.llm.client import CallFailed, Client
from r2po.llm.providers.context import fewest_tokens
from r2po.llm.providers.wire import WireFormat
from r2po.llm.registry import provider_for
from r2po.llm.types import ProviderSettings, Question, Reply
from r2po.llm.usage import Usage
from tests.builders import open_client
from tests.llm.fake_servers import SERVERS, FakeAnthropic, FakeGemini, FakeOllama, FakeOpenAI, FakeOpenRouter
from tests.llm.fake_servers.core import FakeServer, status
from tests.llm.fake_servers.openai import FakeLlamaCpp
from tests.scripted import Scripted

LINE = "f = -41.25; 137\n"
SPLIT, JOINED = 14, 10  # tokens of a line: by tokenizer, each digit has one or up to three share it
CONTEXT = 8192
TOLD: dict[str, tuple[type[FakeServer], str, Mapping[str, Any]]] = {
    "llama.cpp": (
        FakeLlamaCpp,
        "/models",
        {"data": [{"id": "tiny", "owned_by": "llamacpp", "meta": {"n_ctx": CONTEXT}}]},
    ),
    "vLLM": (FakeOpenAI, "/models", {"data": [{"id": "tiny", "max_model_len": CONTEXT}]}),
    "OpenRouter": (FakeOpenRouter, "/models", {"data": [{"id": "vendor/tiny", "context_length": CONTEXT}]}),
    "Ollama": (FakeOllama, "/api/show", {"model_info": {"fake.context_length": CONTEXT}}),
    "Anthropic": (FakeAnthropic, "/v1/models/claude-tiny", {"id": "claude-tiny", "max_input_tokens": CONTEXT}),
    "Gemini": (FakeGemini, "/v1beta/models/gemini-tiny", {"name": "models/gemini-tiny", "inputTokenLimit": CONTEXT}),
}


def opened(server: FakeServer, folder: Path, **settings: Any) -> AbstractContextManager[Client]:
    """Give a client of a server."""
    provider = provider_for(server.model, ProviderSettings(server.environ, 10, **settings))
    return open_client(provider, folder, max_attempts=1)


def question(lines: int, role: str = "critic") -> Question:
    return Question(3, role, 0, 1, LINE * lines)


def remember(client: Client, lines: int, per_line: int, role: str = "critic") -> None:
    """Put a prompt and the server's count of it on record."""
    asked = dataclasses.replace(question(lines, role), iteration=2)
    call = client.store.request("key", asked)
    client.store.reply(call, f"{role} {lines}", Reply("fine", usage=Usage(per_line * lines, 0, 1)), "", 1.0)


def refusal(client: Client, asked: Question) -> str:
    with pytest.raises(CallFailed) as caught:
        client.ask(asked, str)
    assert isinstance(caught.value, RunStopped)
    assert not caught.value.retryable
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", TOLD)
def test_each_server_that_tells_its_context_is_asked_once_and_then_believed(kind: str, tmp_path: Path) -> None:
    make, path, answer = TOLD[kind]
    with make() as server, opened(server, tmp_path) as client:
        server.always(status(200, answer), path=path)
        for _ in range(2):
            told = refusal(client, question(1100))
        assert server.chats == []
        assert len(server.requests) == 1
    least = fewest_tokens(LINE * 1100)
    assert told.startswith(
        f"the critic prompt of iteration 3 has {least:,} tokens or more, and the context has 8,192: "
    )
    assert told.endswith(", or show less in prompts (rollout_window, history_window)")
    assert (tmp_path / "llm_calls.jsonl").read_text() == "", "nothing was sent, so nothing may have been paid"


@pytest.mark.parametrize("kind", TOLD)
def test_as_long_as_nothing_was_counted_only_what_fits_nowhere_is_refused(kind: str, tmp_path: Path) -> None:
    make, path, answer = TOLD[kind]
    lines = CONTEXT // JOINED - 20
    assert lines * SPLIT > 1.3 * CONTEXT
    with make() as server, opened(server, tmp_path) as client:
        server.always(status(200, answer), path=path)
        assert client.ask(question(lines), str).value == "fine"


def test_after_an_answer_the_estimate_decides(tmp_path: Path) -> None:
    lines = int(1.2 * CONTEXT / SPLIT)
    assert lines * JOINED < CONTEXT
    make, path, answer = TOLD["vLLM"]
    with make() as server, opened(server, tmp_path) as client:
        server.always(status(200, answer), path=path)
        remember(client, 50, SPLIT)
        told = refusal(client, question(lines))
        assert server.chats == []
    about = int(told.partition("has about ")[2].partition(" tokens")[0].replace(",", ""))
    assert about == pytest.approx(lines * SPLIT, rel=0.05)
    assert "the context has 8,192: serve the model with a longer context, or show less" in told


def test_what_another_role_was_counted_does_not_decide(tmp_path: Path) -> None:
    """Its prompts hold other things: an estimate from them may be off by a fifth."""
    make, path, answer = TOLD["vLLM"]
    asked = question(int(1.2 * CONTEXT / SPLIT))
    with make() as server, opened(server, tmp_path) as client:
        server.always(status(200, answer), path=path)
        remember(client, 50, SPLIT, "search")
        assert client.ask(asked, str).value == "fine"
        remember(client, 50, SPLIT, "critic")
        refusal(client, dataclasses.replace(asked, iteration=4))


@pytest.mark.parametrize("share", [0.9, 1.0, 1.05])
def test_a_prompt_that_fits_or_nearly_fits_is_left_to_the_server(share: float, tmp_path: Path) -> None:
    make, path, answer = TOLD["vLLM"]
    with make() as server, opened(server, tmp_path) as client:
        server.always(status(200, answer), path=path)
        remember(client, 50, SPLIT)
        assert client.ask(question(int(share * CONTEXT / SPLIT)), str).value == "fine"


@pytest.mark.parametrize(
    "fault",
    [status(404), status(500), status(200, {}), status(200, {"data": "none"})],
    ids=["no such path", "server error", "nothing", "nonsense"],
)
@pytest.mark.parametrize("kind", TOLD)
def test_a_server_that_does_not_tell_gets_the_prompt(fault: Any, kind: str, tmp_path: Path) -> None:
    make, path, _ = TOLD[kind]
    with make() as server, opened(server, tmp_path) as client:
        server.always(fault, path=path)
        server.always(status(404), path="/v1/models?limit=1000")
        for lines in (3000, 3001):
            assert client.ask(question(lines), str).value == "fine"
        asked = sum(server.route(request.path) == path for request in server.requests)
        if kind in ("Anthropic", "Gemini"):  # others are asked for something else besides, until they answer
            assert asked == 1


def test_openai_itself_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from r2po.llm.providers.openai import OpenAI

    asked = OpenAI("gpt-x", ProviderSettings({"OPENAI_API_KEY": "k"}))
    monkeypatch.setattr(asked, "_details", lambda: pytest.fail("it does not tell"))
    assert asked.longest_prompt() is None


@pytest.mark.parametrize("kind", SERVERS)
def test_short_prompts_need_no_question_about_the_context(kind: str, tmp_path: Path) -> None:
    with SERVERS[kind]() as server, opened(server, tmp_path) as client:
        assert client.ask(dataclasses.replace(question(1), prompt="hello"), str).value == "fine"
        provider = client.model_of("search").provider
        assert isinstance(provider, WireFormat)
        assert not provider._told_length._was_asked


def test_what_the_config_sets_is_ollamas_context(tmp_path: Path) -> None:
    with FakeOllama() as server, opened(server, tmp_path, num_ctx=4096) as client:
        remember(client, 50, SPLIT)
        told = refusal(client, question(380))
        assert server.chats == []
    assert "the context has 4,096: set num_ctx in the config to more than 4096" in told


def test_stand_ins_are_never_refused(tmp_path: Path) -> None:
    with open_client(Scripted(["one"]), tmp_path) as client:
        assert client.ask(question(100_000), str).value == "one"


def test_a_recorded_reply_is_given_whatever_the_context(tmp_path: Path) -> None:
    make, path, answer = TOLD["vLLM"]
    with make() as server, opened(server, tmp_path) as client:
        server.always(status(200, {**answer, "data": [{"id": "tiny", "max_model_len": 100_000}]}), path=path)
        assert client.ask(question(1100), str).fresh
    with make() as server, opened(server, tmp_path) as client:
        server.always(status(200, answer), path=path)
        assert client.ask(question(1100), str).value == "fine"
        assert server.requests == []
        refusal(client, question(1101))
