"""Ollama's stream: a JSON object in each line; the last says that it is done, and has the counts."""

from __future__ import annotations

from typing import Any

from r2po.llm.providers.streams.texts import Texts, told
from r2po.llm.stream import Assembly


class OllamaAssembly(Assembly):
    """Puts together the lines. A line that does not say whether it is the last is a whole answer if it is alone."""

    def __init__(self) -> None:
        self._top: dict[str, Any] = {}
        self._message: dict[str, Any] = {}
        self._texts = Texts(("content", "thinking"))
        self._has_begun = False

    def add(self, piece: dict[str, Any]) -> int:
        """Take the next line."""
        self._top |= told(piece)
        message = piece.get("message")
        self._message |= told(message)
        self.has_ended = bool(piece.get("done"))
        self.is_complete = self.has_ended or (piece.get("done") is None and not self._has_begun)
        self._has_begun = True
        return self._texts.add(message)

    def whole(self) -> dict[str, Any]:
        """Return the whole answer."""
        return {**self._top, "message": {**self._message, **self._texts.whole}}
