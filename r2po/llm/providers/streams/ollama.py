"""Ollama's stream: a JSON object in each line; the last says that it is done, and has the counts."""

from __future__ import annotations

from typing import Any

from r2po.llm.providers.streams.texts import Texts, told
from r2po.llm.stream import Assembly


class OllamaAssembly(Assembly):
    """Puts together the lines; a line that does not say that more follows is the last, such as a whole answer."""

    def __init__(self) -> None:
        self._top: dict[str, Any] = {}
        self._message: dict[str, Any] = {}
        self._texts = Texts(("content", "thinking"))

    def add(self, piece: dict[str, Any]) -> int:
        """Take the next line.

        Raises:
            ValueError: It follows the last.
        """
        if self.has_ended:
            raise ValueError("a line follows the last")
        self._top |= told(piece)
        message = piece.get("message")
        self._message |= told(message)
        self.is_complete = self.has_ended = piece.get("done") is not False
        return self._texts.add(message)

    def whole(self) -> dict[str, Any]:
        """Return the whole answer."""
        return {**self._top, "message": {**self._message, **self._texts.whole}}
