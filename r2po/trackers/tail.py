"""The lines that a log has got since it was last read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from r2po.runlog.jsonl import DamagedLog


class LogTail:
    """Reads a file of JSON lines on from where it last ended. A line that is not complete yet is left for later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def new(self) -> list[dict[str, Any]]:
        """Return the complete lines that are new; none if there is no such file.

        Checksums are not compared: in a run that goes on, its own writer does that.

        Raises:
            DamagedLog: A line is not a JSON object.
            OSError: The file cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                text = file.read()
        except FileNotFoundError:
            return []
        lines = text[: text.rfind(b"\n") + 1].splitlines(keepends=True)
        self._read += sum(map(len, lines))
        return [self._parsed(line) for line in lines]

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            raise DamagedLog(f"damaged log: {self._path}: a line is not a JSON object")
        return record
