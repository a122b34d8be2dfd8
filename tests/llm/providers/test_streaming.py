"""Replies in pieces through the providers: the same as whole ones, asked for where nothing is lost, and stopped."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from r2po.llm.accounting import Prices
from r2po.llm.budget import Budget
from r2po.llm.ledger import Caps
from r2po.llm.providers.streaming import NO_OPTIONS, REFUSED, UNCOUNTED
from r2po.llm.providers.wire import WireFormat
from r2po.llm.registry import provider_for
from r2po.llm.types import AttemptFailed, Provider, ProviderSettings, Reply, Request, Streaming
from r2po.policies.tabular import Tabular
from r2po.tasks.spaces import Spaces
from tests.builders import make_config, open_client
from tests.llm.failures import QUESTION
from tests.llm.fake_servers import SERVERS, FakeOllama, FakeOpenAI, FakeServer
from tests.llm.fake_servers.core import Handler, status
from tests.llm.fake_servers.openai import FakeLlamaCpp
from tests.llm.stream_failures import pieces_of, sends, with_piece
from tests.scripted import make_request

SCHEMA = Tabular(Spaces(True, 2, True, 2, 0, (), (), None)).schema()
FORMATS = ("OpenAI", "Anthropic", "Gemini", "Ollama")

# What each server says of a reply with thoughts.
THINKING: Mapping[str, Mapping[str, Any]] = {
    "Ollama": {"message": {"role": "assistant", "content": "fine", "thinking": "hm, well"}},
    "OpenAI": {"choices": [{"message": {"content": "fine", "reasoning_content": "hm, well"}, "finish_reason": "stop"}]},
    "OpenRouter": {"choices": [{"message": {"content": "fine", "reasoning_content": "hm, well"}}], "provider": "one"},
    "Anthropic": {"content": [{"type": "thinking", "thinking": "hm, well"}, {"type": "text", "text": "fine"}]},
    "Gemini": {
        "candidates": [
            {"content": {"parts": [{"text": "hm, well", "thought": True}, {"text": "fine"}]}, "finishReason": "STOP"}
        ]
    },
}


def provider(server: FakeServer, streaming: Streaming = True, timeout_s: float = 20.0) -> WireFormat:
    made = provider_for(server.model, ProviderSettings(server.environ, timeout_s, streaming=streaming))
    assert isinstance(made, WireFormat)
    return made


def asked(server: FakeServer) -> list[bool]:
    """Return of each request for a reply whether it asked for pieces."""
    chats = [request for request in server.requests if server.route(request.path) == server.chat_path]
    return [server.is_streamed(request.path, request.body) for request in chats]


# ---- The same as whole ----


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["text", "schema"])
@pytest.mark.parametrize("sampling", [{}, {"temperature": 0.5, "max_output_tokens": 700}], ids=["bare", "set"])
def test_a_streamed_reply_is_the_whole_one(name: str, schema: Any, sampling: Mapping[str, Any]) -> None:
    answer = '{"params": [0, 1], "reasoning": "größer \N{RIGHTWARDS ARROW} 大"}'
    with SERVERS[name](lambda _: answer) as server:
        request = make_request("hello " * 50, sampling, schema=schema)
        whole, streamed = (provider(server, mode).complete(request) for mode in (False, True))
        assert asked(server) == [False, True]
        assert streamed == whole
        assert whole.usage.total is not None
        assert streamed.text.startswith('{"params": [0, 1]')


@pytest.mark.parametrize("name", SERVERS)
def test_streamed_thoughts_come_apart(name: str) -> None:
    with SERVERS[name](lambda _: THINKING[name]) as server:
        whole, streamed = (provider(server, mode).complete(make_request("hello")) for mode in (False, True))
    assert streamed == whole
    assert (streamed.text, streamed.thinking) == ("fine", "hm, well")


def test_a_stream_that_was_not_asked_for_is_understood() -> None:
    with FakeOpenAI() as server:

        def fault(handler: Handler) -> None:
            body = {**server.requests[-1].body, "stream_options": {"include_usage": True}}
            handler.send_pieces(server.pieces(server.response("fine", "hello", body), body))

        server.inject(fault)
        assert provider(server, False).complete(make_request("hello")).text == "fine"
        assert asked(server) == [False]


def test_a_connection_is_used_again_after_a_stream() -> None:
    for name in FORMATS:
        with SERVERS[name]() as server:
            made = provider(server)
            for _ in range(3):
                made.complete(make_request("hello"))
            ports = {
                request.client_port for request in server.requests if server.route(request.path) == server.chat_path
            }
            assert len(ports) == 1


# ---- Where it is asked for ----


class Owned(FakeLlamaCpp):
    """A server that says in its list of models who owns them."""

    owner = "vllm"

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        handler.send_json({"data": [{"id": self.models[0], "owned_by": self.owner}]})


class Unknown(Owned):
    owner = "somebody"


@pytest.mark.parametrize(
    ("kind", "streams"),
    [(FakeOllama, True), (FakeLlamaCpp, True), (Owned, True), (Unknown, False), (FakeOpenAI, False)],
)
def test_auto_streams_where_the_tokens_are_sure_to_be_told(kind: type[FakeServer], streams: bool) -> None:
    with kind() as server:
        provider(server, "auto").complete(make_request("hello"))
        provider(server, True).complete(make_request("hello"))
        provider(server, False).complete(make_request("hello"))
        assert asked(server) == [streams, True, False]


@pytest.mark.parametrize("name", ["gpt-5", "openrouter/a/b", "claude-x", "gemini-x", "ollama/x"])
def test_auto_streams_at_every_providers_own_server(name: str) -> None:
    made = provider_for(name, ProviderSettings({}, streaming="auto"))
    assert isinstance(made, WireFormat)
    assert made._tells_tokens_of_streams(surely=True)


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("http://localhost:11434/", True),
        ("http://127.0.0.1:11434", True),
        ("http://[::1]:11434", True),
        ("https://ollama.com", True),
        ("http://127.0.0.1:8080", False),
        ("http://gpu7:11434", False),
        ("http://127.0.0.1:11434/api/proxy", False),
        ("https://ollama.com.example", False),
    ],
)
def test_ollamas_own_server_is_the_usual_one_of_this_machine_or_the_cloud(address: str, is_own: bool) -> None:
    made = provider_for("ollama/x", ProviderSettings({"OLLAMA_BASE_URL": address}))
    assert isinstance(made, WireFormat)
    assert made._tells_tokens_of_streams(surely=True) == is_own


class UncountingOllama(FakeOllama):
    """A server that speaks Ollama's protocol, and counts only whole answers."""

    def pieces(self, response: Mapping[str, Any], body: Any) -> list[bytes]:
        counts = ("prompt_eval_count", "eval_count")
        return super().pieces({key: value for key, value in response.items() if key not in counts}, body)


class UncountingProxy(FakeOpenAI):
    """A server whose list names vLLM, behind a proxy that drops ``stream_options``."""

    def tell(self, handler: Handler, path: str, body: Any) -> None:
        handler.send_json({"data": [{"id": self.models[0], "owned_by": "vllm"}]})

    def pieces(self, response: Mapping[str, Any], body: Any) -> list[bytes]:
        return super().pieces(response, {})


class CachedInWholeAnswersOnly(UncountingProxy):
    """A server that tells of a streamed answer all but how much of its prompt was cached."""

    def response(self, text: str, prompt: str, body: Any) -> dict[str, Any]:
        whole = super().response(text, prompt, body)
        if not body.get("stream"):
            whole["usage"]["prompt_tokens_details"] = {"cached_tokens": 0}
        return whole

    def pieces(self, response: Mapping[str, Any], body: Any) -> list[bytes]:
        return FakeOpenAI.pieces(self, response, body)


@pytest.mark.parametrize("caps", [Caps(max_tokens=10**6), Caps(max_cost=5.0)], ids=["tokens", "cost"])
@pytest.mark.parametrize("kind", [UncountingOllama, UncountingProxy, CachedInWholeAnswersOnly])
def test_a_capped_run_goes_on_where_streams_do_not_tell_their_tokens(
    kind: type[FakeServer], caps: Caps, tmp_path: Path
) -> None:
    prices = Prices(input=1.0, cached=0.1 if kind is CachedInWholeAnswersOnly else None, output=2.0)
    mode = make_config("cartpole", max_tokens=caps.max_tokens, max_cost=caps.max_cost, prices=prices).streaming
    with kind() as server, open_client(provider(server, mode), tmp_path, name="some model", prices=prices) as client:
        client.budget = Budget(caps, client.accounting)
        for iteration in range(1, 4):
            assert client.ask(replace(QUESTION, iteration=iteration), str).value == "fine"
        assert asked(server) == [False] * 3
        assert None not in (client.accounting.used.tokens, client.accounting.used.cost)


class Uncounting(FakeLlamaCpp):
    """A server that does not know ``stream_options``."""

    def pieces(self, response: Mapping[str, Any], body: Any) -> list[bytes]:
        return super().pieces(response, {})


def test_a_server_that_does_not_tell_the_tokens_is_asked_for_whole_answers_from_then_on() -> None:
    with Uncounting() as server:
        made = provider(server, "auto")
        replies = [made.complete(make_request("hello")) for _ in range(3)]
        assert asked(server) == [True, False, False]
        assert [reply.usage.total is not None for reply in replies] == [False, True, True]
        assert [reply.note for reply in replies] == [UNCOUNTED] * 3
        made = provider(server, True)
        assert [made.complete(make_request("hello")).note for _ in range(2)] == ["", ""]
        assert asked(server)[3:] == [True, True]


REFUSALS = [
    (400, {"error": {"message": "Your organization must be verified to stream this model."}}, REFUSED),
    (422, {"detail": [{"msg": "Extra inputs are not permitted", "loc": ["body", "stream_options"]}]}, NO_OPTIONS),
    (400, {"error": {"message": "Unsupported parameter: 'stream_options'"}}, NO_OPTIONS),
    (501, {"error": {"message": "Streaming is not implemented"}}, REFUSED),
]
IN_A_GOOD_ANSWER = (200, {"error": {"message": "Streaming is not implemented", "code": 501}}, REFUSED)


@pytest.mark.parametrize(
    ("name", "code", "said", "note"),
    [
        *((name, *refusal) for name in FORMATS for refusal in REFUSALS),
        *((name, *IN_A_GOOD_ANSWER) for name in FORMATS if name != "Ollama"),  # where it would be a line of a stream
    ],
)
def test_a_server_that_refuses_to_stream_is_asked_for_the_whole_at_once(
    name: str, code: int, said: Any, note: str, tmp_path: Path
) -> None:
    with SERVERS[name]() as server:
        server.inject(status(code, said))
        notes: list[str] = []
        with open_client(provider(server), tmp_path, name="some model", on_note=notes.append) as client:
            for iteration in range(1, 4):
                assert client.ask(replace(QUESTION, iteration=iteration), str).value == "fine"
            assert client.store.failures == 0
        assert asked(server) == [True, False, False, False]
        assert notes == [note]


@pytest.mark.parametrize("name", FORMATS)
def test_an_error_inside_a_stream_is_no_refusal_to_stream(name: str) -> None:
    """The model has begun to answer: another request is another attempt."""
    closed = {"code": 400, "message": "the upstream provider closed the stream"}
    with SERVERS[name]() as server:
        server.inject(*sends(with_piece(lambda _: json.dumps({"type": "error", "error": closed}).encode()))(server))
        made = provider(server)
        with pytest.raises(AttemptFailed, match="closed the stream"):
            made.complete(make_request("hello"))
        assert made.complete(make_request("hello")).note == ""
        assert asked(server) == [True, True]


def test_a_proxy_without_the_path_of_streams_is_asked_for_the_whole() -> None:
    with SERVERS["Gemini"]() as server:
        server.inject(status(404, {"detail": "Not Found"}))
        assert provider(server).complete(make_request("hello")).note == REFUSED
        assert asked(server) == [True, False]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("code", [400, 422, 429, 500])
def test_other_refusals_are_not_asked_about_again(name: str, code: int) -> None:
    with SERVERS[name]() as server:
        server.inject(status(code, {"error": {"message": "bad temperature; see our downstream.example"}}))
        made = provider(server)
        with pytest.raises(AttemptFailed):
            made.complete(make_request("hello"))
        made.complete(make_request("hello"))
        assert asked(server) == [True, True]


# ---- While it comes, and when nobody waits any more ----


def endless(noticed: list[float]) -> Callable[[Handler], None]:
    """Write the same piece on and on, and note when nobody takes it any more."""

    def fault(handler: Handler) -> None:
        handler.close_connection = True
        closing = handler.server.fake.closing
        texts = [piece for piece in pieces_of(handler) if b"par" in piece]

        def on_and_on() -> Iterator[bytes]:
            while not closing.wait(0.02):
                yield texts[0]

        try:
            handler.send_pieces(on_and_on(), ends=False)
        except OSError:
            noticed.append(time.monotonic())

    return fault


def seconds_until_noticed(noticed: list[float], since: float) -> float:
    while not noticed and time.monotonic() < since + 3:
        time.sleep(0.01)
    return noticed[0] - since if noticed else float("inf")


@pytest.mark.parametrize("name", FORMATS)
def test_a_server_notices_within_a_second_that_time_is_up(name: str) -> None:
    noticed: list[float] = []
    with SERVERS[name]() as server:
        server.inject(endless(noticed))
        with pytest.raises(AttemptFailed, match=r"no complete answer within 0\.3 s"):
            provider(server, timeout_s=0.3).complete(make_request("hello"))
        assert seconds_until_noticed(noticed, time.monotonic()) < 1


@pytest.mark.parametrize("name", FORMATS)
def test_a_server_notices_within_a_second_that_the_run_was_stopped(name: str) -> None:
    noticed: list[float] = []
    seen: list[int] = []

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, stop)
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        with SERVERS[name]() as server:
            server.inject(endless(noticed))
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                provider(server).complete(replace(make_request("hello"), on_progress=seen.append))
            assert seconds_until_noticed(noticed, time.monotonic()) < 1
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert seen


def test_progress_is_told_a_few_times_per_second_and_grows(tmp_path: Path) -> None:
    seen: list[int] = []
    with FakeOpenAI() as server:
        server.inject(endless([]))
        settings: dict[str, Any] = {"name": "some model", "max_attempts": 1, "on_progress": seen.append}
        with (
            open_client(provider(server, timeout_s=1.0), tmp_path, **settings) as client,
            pytest.raises(Exception, match="within 1 s"),
        ):
            client.ask(QUESTION, str)
    assert 2 <= len(seen) <= 6
    assert seen == sorted(set(seen))


def test_progress_adds_up_over_the_calls_under_way(tmp_path: Path) -> None:
    seen: list[int] = []
    both = threading.Barrier(2, timeout=20)

    class Arrives(Provider):
        def complete(self, request: Request) -> Reply:
            both.wait()  # both are under way
            request.on_progress(5)
            both.wait()
            if request.sample:
                request.on_progress(7)
            both.wait()
            return Reply("fine")

    with open_client(Arrives(), tmp_path, name="some model", on_progress=seen.append) as client:
        asks = [threading.Thread(target=client.ask, args=(replace(QUESTION, sample=n), str)) for n in range(2)]
        for ask in asks:
            ask.start()
        for ask in asks:
            ask.join()
    assert seen == [5, 10, 12]
