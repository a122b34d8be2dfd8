"""What can go wrong with an answer that comes in pieces, beside what can go wrong with any."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.llm.failures import RETRIED, SHORT_S, STOPS, TAKEN, Failure, Faults, said
from tests.llm.fake_servers import FakeGemini, FakeOpenAI, FakeServer
from tests.llm.fake_servers.core import Fault, Handler, event, hang_up, reset

TEXT = "params[0]: 1.0, params[1]: 2.0, and so on"
PAUSE_S = 0.05

Pieces = Callable[[list[bytes], FakeServer], Iterable[bytes]]
"""Gives what is sent in the place of the pieces of an answer."""


def pieces_of(handler: Handler, text: str = TEXT) -> list[bytes]:
    """Return the pieces of an answer to the request that is being answered."""
    fake = handler.server.fake
    body = fake.requests[-1].body
    assert fake.is_streamed(handler.path, body)
    return fake.pieces(fake.response(text, "a prompt", body), body)


def sends(change: Pieces, then: Fault | None = None, *, ends: bool = True, text: Any = None, **more: Any) -> Faults:
    """Stream what ``change`` makes of the pieces, and do something else in the place of the proper end."""

    def fault(handler: Handler) -> None:
        fake = handler.server.fake
        told = pieces_of(handler, TEXT if text is None else text(fake))
        handler.send_pieces(change(told, fake), ends=ends and then is None, **more)
        if then is not None:
            then(handler)

    return lambda _: [fault]


def first(count: int) -> Pieces:
    return lambda pieces, _: pieces[:count]


def half(pieces: list[bytes], _: FakeServer) -> list[bytes]:
    return pieces[: len(pieces) // 2 + 1]


def torn(pieces: list[bytes], _: FakeServer) -> list[bytes]:
    """End in the middle of a piece."""
    whole = pieces[len(pieces) // 2]
    return [*pieces[: len(pieces) // 2], whole[: len(whole) // 2]]


def without_end(pieces: list[bytes], _: FakeServer) -> list[bytes]:
    """Leave out all that comes after the text."""
    ends = (b'"finish_reason": "stop"', b'"message_delta"', b'"finishReason": "STOP"', b'"done": true')
    return pieces[: next(index for index, piece in enumerate(pieces) if any(end in piece for end in ends))]


def all_of(pieces: list[bytes], _: FakeServer) -> list[bytes]:
    return pieces


def with_reason_in_each(pieces: list[bytes], _: FakeServer) -> list[bytes]:
    """Say in each piece why the model stopped, and count its tokens, as some gateways do; leave out the last mark."""
    return [event(_ended(each)) for each in _values(pieces)]


def _ended(piece: dict[str, Any]) -> dict[str, Any]:
    if "candidates" in piece:
        counts = {"promptTokenCount": 3, "candidatesTokenCount": 1}
        return {**piece, "candidates": [{**each, "finishReason": "STOP"} for each in piece["candidates"]],
                "usageMetadata": counts}  # fmt: skip
    counts = {"prompt_tokens": 3, "completion_tokens": 1}
    return {"usage": counts, **piece, "choices": [{**each, "finish_reason": "stop"} for each in piece["choices"]]}


def _values(pieces: list[bytes]) -> list[dict[str, Any]]:
    data = [line.removeprefix(b"data: ") for piece in pieces for line in piece.splitlines() if line[:5] == b"data:"]
    return [json.loads(each) for each in data if each != b"[DONE]"]


def half_with_reasons(pieces: list[bytes], fake: FakeServer) -> list[bytes]:
    return with_reason_in_each(half(pieces, fake), fake)


def slowly_with_reasons(pieces: list[bytes], fake: FakeServer) -> Iterable[bytes]:
    return slowly(with_reason_in_each(pieces, fake), fake)


def with_piece(data: Callable[[FakeServer], bytes]) -> Pieces:
    """Put a piece into the middle."""

    def change(pieces: list[bytes], fake: FakeServer) -> list[bytes]:
        is_lines = fake.stream_type != "text/event-stream"
        piece = data(fake) + b"\n" if is_lines else b"data: " + data(fake) + b"\n\n"
        middle = len(pieces) // 2
        return [*pieces[:middle], piece, *pieces[middle:]]

    return change


def error(body: Mapping[str, Any]) -> Pieces:
    def data(fake: FakeServer) -> bytes:
        return json.dumps({"type": "error", "error": {"message": said(fake), **body}}).encode()

    return with_piece(data)


def slowly(pieces: list[bytes], _: FakeServer) -> Iterable[bytes]:
    for piece in pieces:
        time.sleep(PAUSE_S)
        yield piece


def after_a_while(pieces: list[bytes], fake: FakeServer) -> Iterable[bytes]:
    """Say nothing of the answer for longer than the idle limit, but keep the connection busy."""
    for _ in range(10):
        time.sleep(1.5 * SHORT_S / 10)
        yield b"\n" if fake.stream_type != "text/event-stream" else b": wait\n\n"
    yield from pieces


def zipped(pieces: list[bytes], _: FakeServer) -> Iterable[bytes]:
    packer = zlib.compressobj(wbits=31)
    for piece in pieces:
        yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


def badly_zipped(pieces: list[bytes], _: FakeServer) -> Iterable[bytes]:
    packer = zlib.compressobj(wbits=31)
    yield packer.compress(pieces[0]) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield b"\xff" * 30


def bytewise(pieces: list[bytes], _: FakeServer) -> Iterable[bytes]:
    return [bytes([byte]) for byte in b"".join(pieces)]


def wait(handler: Handler) -> None:
    handler.close_connection = True
    handler.server.fake.closing.wait()


def late_reset(handler: Handler) -> None:
    """Reset the connection when all of it was read: a reset may destroy what was not."""
    time.sleep(2 * PAUSE_S)
    reset()(handler)


def unbounded(handler: Handler) -> None:
    """Answer as servers of HTTP/1.0 do: the end of the connection is that of the answer."""
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", handler.server.fake.stream_type)
    handler.send_header("Connection", "close")
    handler.end_headers()
    for piece in pieces_of(handler):
        handler.wfile.write(piece)


def whole(handler: Handler) -> None:
    """Do not stream though asked to."""
    fake = handler.server.fake
    handler.send_json(fake.response(TEXT, "a prompt", fake.requests[-1].body))


def _together(*faults: Faults) -> Faults:
    return lambda server: [fault for each in faults for fault in each(server)]


def _marked(faults: Faults) -> Faults:
    """Only where a mark says that nothing more can come."""
    return lambda server: [] if isinstance(server, FakeGemini) else faults(server)


def _with_reasons(faults: Faults) -> Faults:
    """Only where a reason for the end may stand in each piece."""
    return lambda server: faults(server) if isinstance(server, FakeGemini | FakeOpenAI) else []


ZIPPED = {"Content-Encoding": "gzip"}
OVERLOADED, UNKNOWN_KEY = {"type": "overloaded_error"}, {"type": "authentication_error", "code": 401}

IN_A_STREAM = (
    Failure(
        "reset before the first piece, and inside",
        _together(sends(first(0), reset()), sends(half, reset())),
        RETRIED,
        "the connection was reset",
    ),
    Failure(
        "broken off before the first piece, inside, and in a piece",
        _together(sends(first(0), hang_up()), sends(half, hang_up()), sends(torn, hang_up())),
        RETRIED,
        "the answer broke off",
    ),
    Failure(
        "ended before the first piece, inside, in a piece, and after the text",
        _together(sends(first(0)), sends(half), sends(torn), sends(without_end)),
        RETRIED,
        "the answer broke off",
    ),
    Failure("silence inside, total", sends(half, wait), RETRIED, f"no complete answer within {SHORT_S:g} s"),
    Failure("silence inside, idle", sends(half, wait), RETRIED, f"no more of the answer for {SHORT_S:g} s"),
    Failure("an error inside that passes", sends(error(OVERLOADED), wait), RETRIED, "HTTP 200 with error 529: no"),
    Failure("an error inside that does not", sends(error(UNKNOWN_KEY), wait), STOPS, "wants a valid key: check"),
    Failure(
        "a piece that is no JSON, or not in UTF-8",
        _together(*(sends(with_piece(lambda _, data=data: data), wait) for data in (b"{", b"\xff"))),  # type: ignore[misc]
        RETRIED,
        "the answer is not JSON in UTF-8: a piece of its stream cannot be read",
    ),
    Failure("damaged compression", sends(badly_zipped, headers=ZIPPED), RETRIED, "compression is damaged"),
    Failure("a page with the type of a stream", sends(lambda *_: [b"<p>no</p>"]), RETRIED, "the answer "),
    Failure("compressed", sends(zipped, headers=ZIPPED), TAKEN),
    Failure("a byte at a time", sends(bytewise), TAKEN),
    Failure("slow, idle", sends(slowly), TAKEN),
    Failure("the first piece late, idle", sends(after_a_while), TAKEN),
    Failure("the end of the connection ends the answer", lambda _: [unbounded], TAKEN),
    Failure("whole though asked for pieces", lambda _: [whole], TAKEN),
    Failure(
        "silence, a reset and a hang-up after the end, idle",
        _marked(_together(*(sends(all_of, then) for then in (wait, late_reset, hang_up())))),
        TAKEN,
    ),
    Failure(
        "a reason for the end in each piece: broken off",
        _with_reasons(_together(sends(half_with_reasons, hang_up()), sends(with_reason_in_each, hang_up()))),
        RETRIED,
        "the answer broke off",
    ),
    Failure(
        "a reason for the end in each piece: reset",
        _with_reasons(sends(half_with_reasons, reset())),
        RETRIED,
        "the connection was reset",
    ),
    Failure(
        "a reason for the end in each piece: silence, or more to come, total",
        _with_reasons(_together(sends(half_with_reasons, wait), sends(slowly_with_reasons))),
        RETRIED,
        f"no complete answer within {SHORT_S:g} s",
    ),
    Failure(
        "a reason for the end in each piece: silence, idle",
        _with_reasons(sends(half_with_reasons, wait)),
        RETRIED,
        f"no more of the answer for {SHORT_S:g} s",
    ),
    Failure("a reason for the end in each piece: complete", _with_reasons(sends(with_reason_in_each)), TAKEN),
)
