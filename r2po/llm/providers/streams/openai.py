"""OpenAI's stream: server-sent events, each with what the message grows by; ``[DONE]`` is the last."""

from __future__ import annotations

from typing import Any

from r2po.llm.providers.payload import entries, string
from r2po.llm.providers.streams.texts import Texts, counted, told
from r2po.llm.stream import Assembly

_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")  # the second and the third are other servers' words


class OpenAIAssembly(Assembly):
    """Puts together ``chat.completion.chunk`` objects. The counts of tokens come in one without choices.

    A stream without the mark at its end is complete if it has told why the model stopped, and its bytes end in an
    orderly way: some gateways tell a reason in each piece.
    """

    def __init__(self) -> None:
        self._top: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._message = Texts(_TEXTS)
        self._has_begun = False

    def add(self, piece: dict[str, Any]) -> int:
        """Take the next piece."""
        self._top |= told(piece)
        self._usage = counted(self._usage, piece.get("usage"))
        added = 0
        for choice in entries(piece, "choices"):
            if choice.get("index") in (None, 0):
                added += self._grow(choice)
                self._choice |= told(choice)
        self.is_complete = bool(self._choice.get("finish_reason"))
        return added

    def done(self) -> None:
        """Take the mark at the end."""
        self.is_complete = self.has_ended = True

    def whole(self) -> dict[str, Any]:
        """Return the ``chat.completion`` object."""
        choice = {key: value for key, value in self._choice.items() if key != "delta"}
        whole = {**self._top, "choices": [{**choice, "message": self._message.whole}]}
        return {**whole, "usage": self._usage} if self._usage else whole

    def _grow(self, choice: dict[str, Any]) -> int:
        delta = choice.get("delta")
        if not isinstance(delta, dict):  # servers that only pretend to stream send the whole message once
            delta = {} if self._has_begun else choice.get("message")
        if isinstance(delta, dict) and isinstance(delta.get("content"), list):
            delta = {**delta, "content": "".join(string(part, "text") for part in entries(delta, "content"))}
        added = self._message.add(delta)
        self._has_begun = self._has_begun or added > 0
        return added
