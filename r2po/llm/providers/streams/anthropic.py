"""Anthropic's stream: server-sent events that open, fill and close one block of the message after the other."""

from __future__ import annotations

import json
from typing import Any

from r2po.llm.providers.payload import count, entry
from r2po.llm.providers.streams.texts import Texts, counted, told
from r2po.llm.stream import Assembly

_TEXTS = ("text", "thinking", "signature", "partial_json")
_CUT = ("max_tokens", "model_context_window_exceeded")
CUT_INPUT = "partial_json"
"""Where the input of a tool stands that was cut off: as it was written, since its last number may lack digits."""


class AnthropicAssembly(Assembly):
    """Puts together a message. Events of unknown types are left out, as the protocol demands; so are pings."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int | None, tuple[dict[str, Any], Texts]] = {}

    def add(self, piece: dict[str, Any]) -> int:
        """Take the next event."""
        kind = piece.get("type")
        if kind == "message_start":
            self._message |= told(piece.get("message"))
            self._usage = counted(self._usage, entry(piece, "message", "usage"))
        elif kind == "content_block_start":
            return self._open(piece)
        elif kind == "content_block_delta":
            return self._block(piece)[1].add(piece.get("delta"))
        elif kind == "message_delta":
            self._message |= told(piece.get("delta"))
            self._usage = counted(self._usage, piece.get("usage"))
        elif kind == "message_stop":
            self.is_complete = self.has_ended = True
        return 0

    def whole(self) -> dict[str, Any]:
        """Return the message.

        Raises:
            ValueError: The input of a tool is no JSON though the reply was not cut off.
        """
        content = [self._filled(*block) for block in self._blocks.values()]
        return {**self._message, "content": content, **({"usage": self._usage} if self._usage else {})}

    def _open(self, piece: dict[str, Any]) -> int:
        block, texts = self._block(piece)
        block |= told(piece.get("content_block"))
        return texts.add(block)

    def _block(self, piece: dict[str, Any]) -> tuple[dict[str, Any], Texts]:
        return self._blocks.setdefault(count(piece, "index"), ({}, Texts(_TEXTS)))

    def _filled(self, block: dict[str, Any], texts: Texts) -> dict[str, Any]:
        whole = texts.whole
        written = whole.pop("partial_json", "")
        if not written:
            return {**block, **whole}
        try:
            return {**block, **whole, "input": json.loads(written)}
        except ValueError:
            if self._message.get("stop_reason") not in _CUT:
                raise
        return {**block, **whole, CUT_INPUT: written}
