"""Asking a server for replies, in pieces where it offers them and nothing is lost by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from r2po.llm.stream import Assembly, Events, Framing, Stream
from r2po.llm.transport import Transport, UnusableStream
from r2po.llm.types import AttemptFailed, Line, Request, Streaming
from r2po.llm.usage import Usage

REFUSED = "the server does not stream answers: they are asked for as a whole from now on"
NO_OPTIONS = (
    "the server refuses stream_options, which ask for the tokens of streamed answers: answers are asked for as a whole "
    "from now on"
)
UNUSABLE = "the server's streams cannot be read, or do not end properly: answers are asked for as a whole from now on"
UNCOUNTED = "the server does not tell the tokens of streamed answers: they are asked for as a whole from now on"
_REFUSALS = frozenset({400, 404, 405, 406, 415, 422, 501})
_NO_SUCH_PATH = frozenset({404, 405, 501})
_NAMES_IT = re.compile(r"(?<![a-z])stream(?!_options)", re.IGNORECASE)
_NAMES_OPTIONS = re.compile(r"(?<![a-z])stream_options", re.IGNORECASE)


@dataclass(frozen=True)
class StreamForm:
    """How a wire format asks for an answer in pieces, and how it cuts one up.

    Attributes:
        assembly: Puts the pieces together.
        framing: What is around them.
        asked: What the request says; nothing if it is the path that says it.
        path: Where an answer comes in pieces, given where it comes as a whole; mostly the same.
    """

    assembly: type[Assembly]
    framing: type[Framing] = Events
    asked: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({"stream": True}))
    path: Callable[[str], str] = str


class Chat:
    """The paths of one server for replies. It is asked for pieces as configured, as long as it gives them.

    Args:
        transport: Leads to the server.
        path: Where a reply comes as a whole.
        form: How it comes in pieces; None if it never does.
        mode: As in ``ProviderSettings``.
        tells_tokens: Whether the server is known to tell the tokens of answers in pieces, as surely as the mode asks.
        told_error: Finds the error object in an answer whose status is good.

    Attributes:
        note: Why answers are no longer asked for in pieces; empty if they are, or never were.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        form: StreamForm | None,
        mode: Streaming,
        *,
        tells_tokens: Callable[[], bool],
        told_error: Callable[[Any], Any],
    ) -> None:
        self.note = ""
        self._has_counted = False
        self._tells_tokens = tells_tokens
        self._told_error = told_error
        self._transport = transport
        self._path = path
        self._stream_path = form.path(path) if form else path
        self._form = form
        self._mode = mode

    def post(self, body: Mapping[str, Any], request: Request, line: Line | None) -> tuple[dict[str, Any], bool]:
        """Return the answer, and whether it came in pieces.

        A server that refuses to stream is asked for the whole at once: nothing was generated, so nothing is lost. One
        whose streams cannot be used is asked for the whole at the next attempt.

        Args:
            body: What asks for a whole answer.
            request: What it was made from; it is told the number of characters so far.
            line: Another way for it than to the path, if it takes one.

        Raises:
            AttemptFailed: There is no answer.
        """
        form, on_progress = self._form, request.on_progress
        if line is not None:
            return self._transport.take(self._path, *line(request, body), self._told_error), False
        if form is None:
            return self._sent(self._path, body, None)
        if not self.note and self._mode is not False and (self._mode is True or self._tells_tokens()):
            stream = Stream(form.framing(), form.assembly(), on_progress=on_progress)
            try:
                return self._sent(self._stream_path, {**body, **form.asked}, stream)
            except UnusableStream:
                self.note = UNUSABLE
                raise
            except AttemptFailed as failure:
                refusal = "" if stream.pieces else self._refusal(failure)  # what has begun to stream does not refuse to
                if not refusal:
                    raise
                self.note = refusal
        unasked = Stream(form.framing(), form.assembly(), is_asked=False, on_progress=on_progress)  # as some servers do
        return self._sent(self._path, body, unasked)

    def _sent(self, path: str, body: Mapping[str, Any], stream: Stream | None) -> tuple[dict[str, Any], bool]:
        answer = self._transport.post_json(path, body, told_error=self._told_error, stream=stream)
        return answer, stream is not None and stream.pieces > 1

    def count(self, usage: Usage) -> None:
        """Look whether the server tells the tokens of streamed answers: if not, whole ones are worth more.

        A count of the completion shows that it does. That of the prompt may be missing all the same: older versions of
        Ollama leave it out, streamed or not, if the prompt was in the cache.
        """
        self._has_counted = self._has_counted or usage.completion_tokens is not None
        if self._mode is not True and not self._has_counted:
            self.note = UNCOUNTED

    def _refusal(self, failure: AttemptFailed) -> str:
        """Return what the server refuses, if a failure means that it does not stream; empty if not."""
        said = failure.reason.partition(": HTTP ")[2]  # before it is the path, which may have the word
        lacks_path = self._stream_path != self._path and failure.status in _NO_SUCH_PATH
        if lacks_path or (failure.status in _REFUSALS and _NAMES_IT.search(said)):
            return REFUSED
        return NO_OPTIONS if failure.status in _REFUSALS and _NAMES_OPTIONS.search(said) else ""
