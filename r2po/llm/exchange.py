"""One HTTP request and its answer, on a thread of its own, within its limits of time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import requests

from r2po.llm import network
from r2po.llm.stream import CONTENT_TYPES, Stream

MAX_BODY_BYTES = 64 * 2**20
"""Longest answer accepted, after decompression; of one in pieces, what is in them counts, and not what is around."""
LOOK_EVERY_S = 0.2
"""How often is looked how far an answer in pieces is."""
GRACE_S = 0.5
"""How long the end of the connection's turn is waited for after the last piece: then it can be used again."""
_PORTION = 2**16


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes:
        body: All of it, if it did not come in pieces.
        stream: The pieces, if it did.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    stream: Stream | None = None


class Exchange:
    """A request that is sent when it is run.

    A socket timeout bounds the wait for the next byte and not the whole call, and looking up a host name cannot be
    interrupted at all. So the caller waits for an event instead: it leaves at the deadline or on Ctrl-C, wherever the
    exchange stands. The connection is closed then, so that a server that writes an answer in pieces notices.

    Args:
        send: Sends the request.
        stream: Takes the pieces of the answer, if it was asked for in pieces.
        most_bytes: Longest answer accepted; None for ``MAX_BODY_BYTES``.

    Attributes:
        answer: The answer, once it is there.
        error: What went wrong, if anything did.
    """

    def __init__(
        self, send: Callable[[], requests.Response], stream: Stream | None = None, most_bytes: int | None = None
    ) -> None:
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self._send = send
        self._stream = stream
        self._most_bytes = MAX_BODY_BYTES if most_bytes is None else most_bytes
        self._response: requests.Response | None = None
        self._done = threading.Event()
        self._abandoned = False
        self._ended_at: float | None = None

    @property
    def status(self) -> int | None:
        """The status of the answer, if it has begun."""
        return None if self._response is None else self._response.status_code

    def run(self, limit_s: float, idle_s: float | None = None) -> str:
        """Fill ``answer`` or ``error``, and return an empty text; or return what the time was not enough for.

        Args:
            limit_s: Seconds for the whole.
            idle_s: Seconds without anything new, from the first piece on.
        """
        threading.Thread(target=self._work, name="r2po-http", daemon=True).start()
        try:
            return self._wait(time.monotonic() + limit_s, limit_s, idle_s)
        finally:
            if not self._done.is_set():
                self.abandon()

    def _wait(self, deadline: float, limit_s: float, idle_s: float | None) -> str:
        shown = 0
        while not self._done.wait(self._patience(deadline, idle_s)):
            now = time.monotonic()
            if self._stream is not None and self._stream.characters > shown:
                shown = self._stream.characters
                self._stream.on_progress(shown)
            if self._ended_at is not None and now >= self._ended_at + GRACE_S:
                return ""
            if now >= deadline:
                return "" if self.answer else f"no complete answer within {limit_s:g} s"
            if idle_s is not None and now >= self._idle_until(idle_s):
                return "" if self.answer else f"no more of the answer for {idle_s:g} s"
        return ""

    def _patience(self, deadline: float, idle_s: float | None) -> float:
        """Return how long to wait before the next look."""
        times = [deadline]
        if self._stream is not None:
            times.append(time.monotonic() + LOOK_EVERY_S)
        if idle_s is not None:
            times.append(self._idle_until(idle_s))
        return max(0.0, min(times) - time.monotonic())

    def _idle_until(self, idle_s: float) -> float:
        latest = None if self._stream is None or self._ended_at is not None else self._stream.latest
        return float("inf") if latest is None else latest + idle_s

    def _work(self) -> None:
        try:
            self._response = self._send()
            with self._response:
                self._read(self._response)
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            self.error = error
        finally:
            self._done.set()

    def _read(self, response: requests.Response) -> None:
        if self._abandoned:  # the answer began after the deadline
            raise ConnectionAbortedError
        stream = self._stream if self._stream is not None and _is_fed(self._stream, response) else None
        body = bytearray()
        for portion in _portions(response, in_pieces=stream is not None):
            if stream is not None:
                stream.feed(portion)
            if stream is None or not stream.pieces:
                body += portion
            if max(len(body), stream.size if stream is not None else 0) > self._most_bytes:
                raise network.BodyTooLongError
            if stream is not None and self._is_enough(stream, response):
                return
        if stream is not None:
            stream.end()
            if not stream.pieces:
                stream.take_array(bytes(body))
        is_stream = stream is not None and (stream.pieces or (_is_named(response) and body.lstrip()[:1] != b"{"))
        self.answer = Answer(response.status_code, response.headers, bytes(body), stream if is_stream else None)

    def _is_enough(self, stream: Stream, response: requests.Response) -> bool:
        """Take a stream that has ended, whatever befalls the connection after that; return whether to leave it.

        One that is complete unless more comes does not count before its bytes have ended in an orderly way.
        """
        if self._ended_at is None and stream.has_ended:
            self.answer = Answer(response.status_code, response.headers, b"", stream)
            self._ended_at = time.monotonic()
        return stream.has_ended and not stream.is_whole

    def abandon(self) -> None:
        """Let the thread end soon: wake it if it waits for more of the body; socket timeouts end any other wait."""
        self._abandoned = True
        if self._response is not None:
            with suppress(AttributeError, ValueError, RuntimeError, OSError):  # too late, or a urllib3 before 2.3
                self._response.raw.shutdown()


def _is_fed(stream: Stream, response: requests.Response) -> bool:
    """Whether an answer is one in pieces, or may be one, since it was asked for."""
    return 200 <= response.status_code < 300 and (stream.is_asked or _is_named(response))


def _is_named(response: requests.Response) -> bool:
    return response.headers.get("Content-Type", "").startswith(CONTENT_TYPES)


def _portions(response: requests.Response, *, in_pieces: bool) -> Iterator[bytes]:
    """Yield the body; one in pieces as it arrives."""
    read1 = getattr(response.raw, "read1", None)  # not in urllib3 1
    if not in_pieces or response.raw.chunked or read1 is None:
        yield from response.iter_content(_PORTION)
        return
    while portion := read1(_PORTION, decode_content=True):
        yield portion
