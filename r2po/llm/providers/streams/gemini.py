"""Gemini's stream: server-sent events, each an answer with the next parts; the last says why the model stopped."""

from __future__ import annotations

from typing import Any

from r2po.llm.providers.payload import entries, string
from r2po.llm.providers.streams.texts import counted, told
from r2po.llm.stream import Assembly

_NO_REASON = ("", "FINISH_REASON_UNSPECIFIED")


class GeminiAssembly(Assembly):
    """Puts together ``GenerateContentResponse`` objects. No mark says that nothing more can come.

    A reason for the end is no such mark: some gateways put one into each piece. So the answer is whole only if its
    bytes end in an orderly way after a reason. Where the end of the connection is that of the bytes, a break looks the
    same. A prompt that was blocked gets no answer, so that nothing more is of use.

    Parts that continue each other become one, so that a word is whole for whoever looks for it.
    """

    def __init__(self) -> None:
        self._top: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._candidate: dict[str, Any] = {}
        self._parts: list[tuple[dict[str, Any], list[str]]] = []

    def add(self, piece: dict[str, Any]) -> int:
        """Take the next piece."""
        self._top |= told(piece)
        self._usage = counted(self._usage, piece.get("usageMetadata"))
        parts: list[dict[str, Any]] = []
        for candidate in entries(piece, "candidates"):
            if candidate.get("index") in (None, 0):
                parts += entries(candidate, "content", "parts")
                self._candidate |= told(candidate)
        for part in parts:
            self._append({key: value for key, value in part.items() if key != "text"}, string(part, "text"))
        self.has_ended = bool(string(self._top, "promptFeedback", "blockReason"))
        self.is_complete = self.has_ended or string(self._candidate, "finishReason") not in _NO_REASON
        return sum(len(string(part, "text")) for part in parts)

    def _append(self, kind: dict[str, Any], text: str) -> None:
        if self._parts and self._parts[-1][0] == kind:
            self._parts[-1][1].append(text)
        else:
            self._parts.append((kind, [text]))

    def whole(self) -> dict[str, Any]:
        """Return the whole answer."""
        parts = [{**kind, "text": "".join(texts)} for kind, texts in self._parts]
        candidate = {**self._candidate, "content": {"role": "model", "parts": parts}}
        whole = {**self._top, "candidates": [candidate] if self._candidate else []}
        return {**whole, "usageMetadata": self._usage} if self._usage else whole
