"""Answers that come in pieces: bytes in whatever portions, and what is around the pieces."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.llm.providers.gemini import Gemini
from r2po.llm.providers.streams.gemini import GeminiAssembly
from r2po.llm.stream import Events, Framing, Lines, Stream
from tests.llm.streams import ANSWERS, WIRES, Wire, whole_of


def data_of(framing: Framing, portions: Iterable[bytes]) -> list[tuple[str, bytes]]:
    """Return the names and the data that a framing finds."""
    found = [each for portion in portions for each in framing.feed(portion)]
    return [(each.name, b"\n".join(each.lines)) for each in [*found, *framing.end()]]


def in_portions(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


# The examples follow the specification of server-sent events: https://html.spec.whatwg.org/#event-stream-interpretation
EVENTS = [
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("", b"YHOO\n+2\n10")]),
    (b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
     [("", b"first event"), ("", b"second event"), ("", b" third event")]),
    (b"data\n\ndata\ndata\n\n", [("", b""), ("", b"\n")]),
    (b"data:test\n\ndata: test\n\n", [("", b"test"), ("", b"test")]),
    (b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\ndata: 1\n\n",
     [("add", b"73857293"), ("remove", b"2153"), ("", b"1")]),
    (b"event: nothing\n\ndata: 1\n\n", [("", b"1")]),
    (b"\xef\xbb\xbfdata: 1\n\n", [("", b"1")]),
    (b"retry: 10\nunknown: 3\ndata: 1\n\n", [("", b"1")]),
    (b"", []),
]  # fmt: skip


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(("text", "events"), EVENTS)
def test_events_are_what_the_specification_says(text: bytes, events: list[tuple[str, bytes]], end: bytes) -> None:
    text = text.replace(b"\n", end)
    assert data_of(Events(), [text]) == events
    assert data_of(Events(), (bytes([byte]) for byte in text)) == events


def test_an_event_without_its_empty_line_counts_at_the_end() -> None:
    assert data_of(Events(), [b"data: [DONE]"]) == [("", b"[DONE]")]


def test_each_line_is_a_piece_and_empty_ones_are_none() -> None:
    assert data_of(Lines(), [b'{"a": 1}\n\n{"b"', b": 2}\r\n", b'{"c": 3}']) == [
        ("", b'{"a": 1}'),
        ("", b'{"b": 2}'),
        ("", b'{"c": 3}'),
    ]


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@settings(max_examples=40)
@given(answer=st.sampled_from(ANSWERS), cuts=st.lists(st.integers(0, 10_000), max_size=40))
def test_whatever_the_portions_the_answer_is_the_same(wire: Wire, answer: str, cuts: list[int]) -> None:
    data = wire.streamed(answer)
    assert whole_of(wire, in_portions(data, cuts)) == whole_of(wire, [data])


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
def test_no_beginning_of_a_stream_is_an_answer(wire: Wire) -> None:
    data = wire.streamed("params[0]: 1\n\u00e4")
    whole = whole_of(wire, [data])
    assert whole is not None
    found = [each for end in range(len(data)) if (each := whole_of(wire, [data[:end]])) is not None]
    # Only what stands behind the reason for the end may be missing: empty lines, OpenAI's counts and its mark.
    whole.pop("usage", None)
    assert all({key: each[key] for key in whole} == whole for each in found)


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@settings(max_examples=40)
@given(noise=st.binary(max_size=60), place=st.integers(0, 10_000))
def test_any_bytes_are_survived(wire: Wire, noise: bytes, place: int) -> None:
    data = wire.streamed("params[0]: 1")
    place %= len(data)
    whole_of(wire, [data[:place] + noise + data[place:]])


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@pytest.mark.parametrize("piece", [b"\xff", b"[1]", b"{", b"[" * 100_000, b"1" * 10_000])
def test_what_is_no_object_in_utf_8_damages_the_answer(wire: Wire, piece: bytes) -> None:
    first, rest = wire.streamed("params[0]: 1").split(wire.gap, 1)
    noise = piece if wire.framing is Lines else b"data: " + piece
    stream = wire.stream()
    stream.feed(first + wire.gap + noise + wire.gap + rest)
    stream.end()
    assert stream.is_damaged
    with pytest.raises(ValueError, match="cannot be read"):
        stream.whole()


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@pytest.mark.parametrize("error", [{"error": {"message": "gone", "code": 500}}, {"error": "gone"}])
def test_an_error_on_the_way_takes_the_place_of_the_answer(wire: Wire, error: dict[str, Any]) -> None:
    first, rest = wire.streamed("params[0]: 1").split(wire.gap, 1)
    said = json.dumps(error).encode()
    for noise in [said] if wire.framing is Lines else [b"data: " + said, b"event: error\ndata: " + said]:
        assert whole_of(wire, [first, wire.gap, noise, wire.gap, rest]) == error


def test_errors_without_their_name_are_known_by_that_of_the_event() -> None:
    wire = WIRES[0]
    for line in (b"event: error\ndata: ", b"error: "):  # the latter is llama.cpp's
        assert whole_of(wire, [line, b'{"message": "gone", "code": 500}\n\n']) == {
            "error": {"message": "gone", "code": 500}
        }
    assert whole_of(wire, [b"event: error\ndata: gone\n\n"]) == {"error": "gone"}


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire.provider is not Gemini], ids=lambda wire: wire.name)
@pytest.mark.parametrize("piece", [b'{"error": "gone"}', b"{", b'{"done": true}'])
def test_what_follows_the_end_does_not_matter(wire: Wire, piece: bytes) -> None:
    data = wire.streamed("params[0]: 1")
    more = piece if wire.framing is Lines else b"data: " + piece
    assert whole_of(wire, [data, more, wire.gap]) == whole_of(wire, [data])


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire.framing is Events], ids=lambda wire: wire.name)
@pytest.mark.parametrize(
    "piece", [b"data:\n\n", b"data:  \n\n", b"event: ping\ndata: ping\n\n", b"event: ping\ndata: {\n\n"]
)
def test_what_only_keeps_a_connection_busy_is_no_piece(wire: Wire, piece: bytes) -> None:
    data = wire.streamed("params[0]: 1")
    first, rest = data.split(wire.gap, 1)
    assert whole_of(wire, [piece, first, wire.gap, piece, rest]) == whole_of(wire, [data])


def test_an_array_of_pieces_is_put_together_like_a_stream() -> None:
    def piece(text: str, **more: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [{"text": text}]}, **more}]}

    stream = Stream(Events(), GeminiAssembly())
    stream.take_array(json.dumps([piece("par"), piece("ams", finishReason="STOP")], indent=1).encode())
    assert stream.is_whole
    assert stream.whole()["candidates"][0]["content"]["parts"] == [{"text": "params"}]
    stream = Stream(Events(), GeminiAssembly())
    stream.take_array(json.dumps([piece("par"), {"error": {"message": "gone"}}]).encode())
    assert stream.whole() == {"error": {"message": "gone"}}
    for other in (b"[1]", b"{}", b"[", b""):
        stream = Stream(Events(), GeminiAssembly())
        stream.take_array(other)
        assert stream.pieces == 0


def test_a_null_error_is_none() -> None:
    piece = {"choices": [{"delta": {"content": "fine"}, "finish_reason": "stop"}], "error": None}
    assert whole_of(WIRES[0], [b"data: %s\n\ndata: [DONE]\n\n" % json.dumps(piece).encode()]) is not None


def test_events_that_a_single_newline_parts_are_told_apart() -> None:
    pieces = [{"choices": [{"delta": {"content": text}}]} for text in ("params", "[0]: 1")]
    lines = [f"data: {json.dumps(piece)}\n".encode() for piece in pieces]
    whole = whole_of(WIRES[0], [*lines, b"data: [DONE]\n"])
    assert whole is not None
    assert whole["choices"][0]["message"]["content"] == "params[0]: 1"


def test_progress_counts_what_the_model_wrote() -> None:
    stream = WIRES[0].stream()
    assert (stream.characters, stream.latest) == (0, None)
    stream.feed(b": a comment\n\n")
    assert (stream.characters, stream.pieces) == (0, 0)
    stream.feed(b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n\n')
    assert (stream.characters, stream.latest) == (0, None)
    stream.feed(b'data: {"choices": [{"delta": {"reasoning_content": "hm"}}]}\n\n')
    stream.feed(b'data: {"choices": [{"delta": {"content": "1"}}]}\n\n')
    assert stream.characters == 3
    assert stream.latest is not None
    assert isinstance(stream, Stream)
