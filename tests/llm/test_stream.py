"""Answers that come in pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from r2po.llm.providers.openai import OpenAI
from r2po.llm.stream import assembled
from r2po.llm.types import AttemptFailed, ProviderSettings, Usage
from tests.llm.fake_servers.core import Handler
from tests.llm.fake_servers.openai import FakeLlamaCpp
from tests.scripted import make_request


def piece(text: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": None, **more}], "model": "tiny"}


ENDED = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
COUNTED = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}


def stream(*pieces: Any, done: bool = True) -> bytes:
    lines = [f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n" for each in pieces]
    return "".join([": a comment\n\n", *lines, *(["data: [DONE]\n\n"] if done else [])]).encode()


def sent(body: bytes) -> Any:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def complete(body: bytes) -> Any:
    with FakeLlamaCpp() as server:
        server.inject(sent(body))
        reply = OpenAI("tiny", ProviderSettings(server.environ, 10)).complete(make_request("hello"))
        assert server.chats[0]["stream"] is True
    return reply


def test_the_pieces_are_put_together_and_the_log_does_not_tell_how_they_came() -> None:
    reply = complete(stream(piece("params[0]: "), piece("1\n"), piece("\u00e4"), ENDED, COUNTED))
    assert (reply.text, reply.finish) == ("params[0]: 1\n\u00e4", "stop")
    assert reply.usage == Usage(3, None, 2, None)
    assert not {"stream", "stream_options"} & set(reply.sent)


def test_thoughts_come_apart() -> None:
    thought = {"choices": [{"delta": {"reasoning_content": "hm"}, "finish_reason": None}]}
    reply = complete(stream(thought, piece("fine"), ENDED))
    assert (reply.thinking, reply.text) == ("hm", "fine")


def test_an_error_on_the_way_takes_the_place_of_the_answer() -> None:
    error = {"error": {"code": 500, "message": "the model is gone", "type": "server_error"}}
    with pytest.raises(AttemptFailed, match="the model is gone") as caught:
        complete(stream(piece("params"), error))
    assert (caught.value.retryable, caught.value.status) == (True, 500)


@pytest.mark.parametrize("body", [stream(piece("params"), done=False), stream("{", ENDED), b""])
def test_a_stream_that_broke_off_is_no_answer(body: bytes) -> None:
    assert assembled(body) is None
    with pytest.raises(AttemptFailed, match="the answer is not JSON") as caught:
        complete(body)
    assert caught.value.retryable


def test_other_servers_are_not_asked_for_pieces() -> None:
    from tests.llm.fake_servers.openai import FakeOpenAI

    with FakeOpenAI() as server:
        OpenAI("tiny", ProviderSettings(server.environ, 10)).complete(make_request("hello"))
        assert "stream" not in server.chats[0]
