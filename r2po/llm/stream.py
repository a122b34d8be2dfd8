"""Answers that come in pieces: bytes are cut into pieces here, however they arrive, and pieces are put together.

How a wire format cuts up an answer is told by its ``Assembly``; this module knows only what is around the pieces.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

CONTENT_TYPES = ("text/event-stream", "application/x-ndjson")
"""What servers call answers in pieces, also one that was not asked for."""
DONE = "[DONE]"
"""What stands at the end of some streams instead of a piece."""
_BOM = b"\xef\xbb\xbf"
_ERROR = "error"
_PING = "ping"


class Assembly(ABC):
    """Puts the pieces of one answer together, each a JSON object."""

    is_complete = False
    """Whether the answer is whole if the bytes end here in an orderly way."""
    has_ended = False
    """Whether nothing more can come, so that the answer is whole however the bytes end."""

    @abstractmethod
    def add(self, piece: dict[str, Any]) -> int:
        """Take the next piece; return how many characters of the answer or of thoughts it has.

        Raises:
            ValueError: It cannot be part of an answer.
        """

    def done(self) -> None:  # noqa: B027 - in most formats it means nothing
        """Take the mark ``[DONE]``."""

    @abstractmethod
    def whole(self) -> dict[str, Any]:
        """Return the answer as if it had come at once.

        Raises:
            ValueError: The pieces do not fit together.
        """


class Data(NamedTuple):
    """The text that stands for one piece, and the name of its event; empty if it has none."""

    name: str
    lines: list[bytes]


class Framing(ABC):
    """Cuts bytes into lines, and lines into what stands for a piece; bytes may come in any portions."""

    def __init__(self) -> None:
        self._unfinished = bytearray()
        self._is_first = True
        self._after_return = False

    @property
    def size(self) -> int:
        """Number of bytes that wait for more."""
        return len(self._unfinished)

    def feed(self, data: bytes) -> Iterator[Data]:
        """Yield what is complete by now."""
        if self._after_return and data:  # a \n that belongs to the \r before it
            data = data.removeprefix(b"\n")
            self._after_return = False
        self._unfinished += data
        if b"\n" not in data and b"\r" not in data:
            return
        *lines, rest = self._unfinished.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._after_return = self._unfinished.endswith(b"\r")
        self._unfinished = bytearray(rest)
        for line in lines:
            yield from self._line(self._without_mark(bytes(line)))

    def end(self) -> Iterator[Data]:
        """Yield what is left when the bytes end."""
        line, self._unfinished = self._without_mark(bytes(self._unfinished)), bytearray()
        if line:
            yield from self._line(line)
        yield from self._line(b"")

    def _without_mark(self, line: bytes) -> bytes:
        mark, self._is_first = self._is_first, False
        return line.removeprefix(_BOM) if mark else line

    @abstractmethod
    def _line(self, line: bytes) -> Iterator[Data]:
        """Take a line without its end."""


class Lines(Framing):
    """A piece in each line."""

    def _line(self, line: bytes) -> Iterator[Data]:
        if line.strip():
            yield Data("", [line])


class Events(Framing):
    """Server-sent events: an empty line ends each, and a line that begins with a colon is a comment."""

    def __init__(self) -> None:
        super().__init__()
        self._name = ""
        self._data: list[bytes] = []

    @property
    def size(self) -> int:
        """Number of bytes that wait for more."""
        return super().size + sum(map(len, self._data))

    def _line(self, line: bytes) -> Iterator[Data]:
        if not line:
            if self._data:
                yield Data(self._name, self._data)
            self._name, self._data = "", []
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"error":  # llama.cpp's
            self._name = _ERROR
            self._data.append(value)


class Stream:
    """One answer that comes in pieces. One thread feeds it; others may look how far it is.

    Attributes:
        characters: Of the answer and of thoughts, so far.
        latest: When the latest of them came, as ``time.monotonic`` tells; None before the first.
        pieces: Number of pieces that could be read so far; none if the answer comes at once.
        error: The piece that tells of an error, if one does.
        is_damaged: Whether something cannot be read.
        is_asked: Whether the server was asked for pieces.
        on_progress: Called with the characters so far, a few times per second, by the thread that waits.
    """

    def __init__(
        self,
        framing: Framing,
        assembly: Assembly,
        *,
        is_asked: bool = True,
        on_progress: Callable[[int], None] = lambda _characters: None,
    ) -> None:
        self.characters = 0
        self.latest: float | None = None
        self.pieces = 0
        self.error: dict[str, Any] | None = None
        self.is_damaged = False
        self.is_asked = is_asked
        self.on_progress = on_progress
        self._framing = framing
        self._assembly = assembly

    @property
    def is_complete(self) -> bool:
        """Whether the answer is whole if the bytes end here in an orderly way, or tells of an error."""
        return self.error is not None or self._assembly.is_complete

    @property
    def has_ended(self) -> bool:
        """Whether nothing more can come, or nothing more is of use."""
        return self.pieces > 0 and (self.error is not None or self.is_damaged or self._assembly.has_ended)

    @property
    def is_whole(self) -> bool:
        """Whether the answer has come to its proper end."""
        return self.error is None and not self.is_damaged and self._assembly.is_complete

    @property
    def size(self) -> int:
        """How much is kept of it: characters of pieces, and bytes that are no piece yet."""
        return self.characters + self._framing.size

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        for each in self._framing.feed(data):
            self._take(each)

    def end(self) -> None:
        """Take note that the bytes have ended in an orderly way."""
        for each in self._framing.end():
            self._take(each, is_rest=True)

    def take_array(self, body: bytes) -> None:
        """Take an answer that is one JSON array of pieces, as some servers send it whatever they were asked for."""
        pieces = _value(body)
        if isinstance(pieces, list) and all(isinstance(piece, dict) for piece in pieces):
            for piece in pieces:
                self._take_value(piece, Data("", []))

    def whole(self) -> dict[str, Any]:
        """Return the answer as if it had come at once, or the error in its place.

        Raises:
            ValueError: The pieces cannot be read, or do not fit together.
        """
        if self.error is not None:
            return self.error
        if self.is_damaged:
            raise ValueError("a piece cannot be read")
        return self._assembly.whole()

    def _take(self, data: Data, *, is_rest: bool = False) -> None:
        if data.name == _PING or not any(map(bytes.strip, data.lines)):  # only keeps the connection busy
            return
        for value in _values(data.lines):
            if value is None and is_rest:  # the beginning of a piece that broke off
                continue
            self._take_value(value, data)

    def _take_value(self, value: Any, data: Data) -> None:
        if self._assembly.has_ended:  # such as a second last line, or the error of somebody on the way
            return
        if value == DONE:
            self.pieces += 1
            self._assembly.done()
        elif data.name == _ERROR or (isinstance(value, dict) and value.get(_ERROR)):
            self.error = self.error or _told_error(value, data)
            self.pieces += 1
        else:
            self._add(value)

    def _add(self, piece: Any) -> None:
        try:
            added = self._assembly.add(piece) if isinstance(piece, dict) else None
        except ValueError:
            added = None
        if added is None:
            self.is_damaged = True
            return
        self.pieces += 1
        if added:
            self.characters += added
            self.latest = time.monotonic()


def _told_error(value: Any, data: Data) -> dict[str, Any]:
    if isinstance(value, dict):
        return value if value.get(_ERROR) else {_ERROR: value}
    return {_ERROR: b" ".join(data.lines).decode("utf-8", "replace")}


def _values(lines: list[bytes]) -> list[Any]:
    """Return the values of an event: one, or one for each line where a server ends events with a single newline."""
    whole = _value(b"\n".join(lines))
    return [whole] if whole is not None or len(lines) == 1 else [_value(line) for line in lines]


def _value(data: bytes) -> Any:
    """Return what the data of a piece says: its JSON, the mark of the end, or None for neither."""
    try:
        text = data.decode("utf-8")
        return DONE if text.strip() == DONE else json.loads(text)
    except (ValueError, RecursionError):
        return None
