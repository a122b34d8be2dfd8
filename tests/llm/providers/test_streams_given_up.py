"""Streams that cannot be used: whole answers are asked for after that, and a run loses one attempt at most."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from r2po.llm.providers.streaming import UNUSABLE
from tests.builders import open_client
from tests.llm.failures import QUESTION
from tests.llm.fake_servers import SERVERS, FakeGemini, FakeOllama, FakeOpenAI, FakeServer
from tests.llm.fake_servers.core import Fault, Handler, hang_up, status
from tests.llm.fake_servers.openai import FakeLlamaCpp
from tests.llm.providers.test_streaming import FORMATS, asked, provider
from tests.llm.stream_failures import (
    Pieces,
    all_of,
    first,
    half,
    pieces_of,
    sends,
    torn,
    wait,
    with_piece,
    without_end,
)
from tests.scripted import make_request


def always(fault: Fault) -> Fault:
    """Do this whenever pieces are asked for, and answer in an orderly way otherwise."""

    def each(handler: Handler) -> None:
        fake = handler.server.fake
        body = fake.requests[-1].body
        if fake.is_streamed(handler.path, body):
            fault(handler)
        else:
            handler.send_json(fake.response("fine", "a prompt", body))

    return each


def of(change: Pieces, then: Fault | None = None, *, ends: bool = True) -> Callable[[FakeServer], Fault]:
    return lambda server: sends(change, then, ends=ends)(server)[0]


def unmarked(pieces: list[bytes], _: FakeServer) -> list[bytes]:
    return [piece for piece in pieces if b"[DONE]" not in piece]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "fault",
    [
        of(half),
        of(torn),
        of(first(0)),
        of(without_end),
        of(with_piece(lambda _: b"{")),
        of(lambda pieces, _: [b"data: data: " + piece for piece in pieces]),
    ],
    ids=["half", "torn", "empty", "without its end", "an unreadable piece", "framed twice"],
)
def test_whole_answers_are_asked_for_after_a_stream_that_cannot_be_used(
    name: str, fault: Callable[[FakeServer], Fault], tmp_path: Path
) -> None:
    notes: list[str] = []
    with SERVERS[name]() as server:
        server.always(always(fault(server)))
        with open_client(provider(server), tmp_path, name="some model", on_note=notes.append) as client:
            for iteration in range(1, 4):
                assert client.ask(replace(QUESTION, iteration=iteration), str).value == "fine"
            assert client.store.failures == 1
        assert asked(server) == [True, False, False, False]
        assert notes == [UNUSABLE]


@pytest.mark.parametrize("kind", [FakeOpenAI, FakeGemini])
@pytest.mark.parametrize("then", [wait, hang_up()], ids=["left open", "broken off"])
def test_a_stream_that_tells_its_end_and_does_not_end_is_not_asked_for_again(
    kind: type[FakeServer], then: Fault, tmp_path: Path
) -> None:
    with kind() as server:
        server.always(always(of(unmarked, then)(server)))
        with open_client(provider(server, timeout_s=0.4), tmp_path, name="some model") as client:
            for iteration in range(1, 3):
                assert client.ask(replace(QUESTION, iteration=iteration), str).value == "fine"
        assert asked(server) == [True, False, False]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "fault",
    [of(half, hang_up()), of(first(0), hang_up()), lambda _: hang_up(), lambda _: status(200, b"<p>busy</p>")],
    ids=["half", "empty", "nothing", "a page"],
)
def test_what_befalls_the_connection_is_no_reason_to_give_up_streams(
    name: str, fault: Callable[[FakeServer], Fault], tmp_path: Path
) -> None:
    notes: list[str] = []
    with SERVERS[name]() as server:
        server.inject(fault(server), fault(server))
        with open_client(provider(server), tmp_path, name="some model", on_note=notes.append) as client:
            assert client.ask(QUESTION, str).value == "fine"
        assert asked(server) == [True] * 3
        assert notes == []


def test_an_array_in_the_place_of_a_stream_is_an_answer() -> None:
    """As Gemini's server sends where ``alt=sse`` gets lost on the way."""

    def array(handler: Handler) -> None:
        data = [
            json.loads(piece.removeprefix(b"data: ")) for piece in pieces_of(handler, "params[0]: 1.5, params[1]: 2")
        ]
        handler.send_bytes(json.dumps(data, indent=2).encode(), headers={"Content-Type": "application/json"})

    with FakeGemini() as server:
        server.inject(array)
        reply = provider(server).complete(make_request("hello"))
        assert (reply.text, reply.note) == ("params[0]: 1.5, params[1]: 2", "")
        assert reply.usage.total is not None


@pytest.mark.parametrize("name", FORMATS)
def test_a_stream_is_an_answer_whatever_follows_its_end(name: str) -> None:
    def more(pieces: list[bytes], fake: FakeServer) -> list[bytes]:
        error = json.dumps({"error": "gone"}).encode()
        return [*pieces, error + b"\n" if fake.stream_type != "text/event-stream" else b"data: " + error + b"\n\n"]

    with SERVERS[name]() as server:
        server.inject(of(more if name != "Gemini" else all_of)(server))
        assert provider(server).complete(make_request("hello")).note == ""


def test_a_server_that_counts_completions_goes_on_streaming() -> None:
    """As older versions of Ollama do: a prompt from the cache is not counted, streamed or not."""

    class Cached(FakeOllama):
        def response(self, text: str, prompt: str, body: Any) -> dict[str, Any]:
            whole = super().response(text, prompt, body)
            del whole["prompt_eval_count"]
            return whole

    with Cached() as server:
        made = provider(server, "auto")
        replies = [made.complete(make_request("hello")) for _ in range(2)]
        assert asked(server) == [True, True]
        assert {(reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.note) for reply in replies} == {
            (None, 1, "")
        }


def test_one_streamed_reply_without_counts_is_none_to_give_up_for() -> None:
    def uncounted(pieces: list[bytes], _: Any) -> list[bytes]:
        return [piece for piece in pieces if b'"usage"' not in piece]

    with FakeLlamaCpp() as server:
        made = provider(server, "auto")
        made.complete(make_request("hello"))
        server.inject(of(uncounted)(server))
        replies = [made.complete(make_request("hello")) for _ in range(2)]
        assert asked(server) == [True, True, True]
        assert [(reply.usage.total is None, reply.note) for reply in replies] == [(True, ""), (False, "")]


def test_a_reason_and_an_orderly_end_are_enough_for_openai() -> None:
    def bare(pieces: list[bytes], _: Any) -> list[bytes]:
        return [piece for piece in pieces if b"[DONE]" not in piece and b'"usage"' not in piece]

    with FakeOpenAI() as server:
        server.inject(of(bare)(server))
        reply = provider(server).complete(make_request("hello"))
        assert (reply.finish, reply.usage.total, reply.note) == ("stop", None, "")
