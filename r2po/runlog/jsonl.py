"""Append-only JSON lines that survive a kill at any moment, and files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from r2po.errors import InputError


class DamagedLog(InputError):
    """A file of a run directory is not what r2po writes; the message names it, the line and what is wrong."""


def dump(record: Any) -> str:
    """Return one line of JSON; numbers round-trip exactly, keys keep their order."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=_plain, allow_nan=True)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} does not belong in a log")


def iterate_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the complete records one by one. A torn last line, the trace of a kill, is left out; so is a missing file.

    Raises:
        DamagedLog: A line before the last is not a JSON object: the file was damaged by something else than a kill.
    """
    for number, line in enumerate(complete_lines(path), 1):
        yield _parsed(line, f"{path}, line {number}")


def complete_lines(path: Path) -> Iterator[bytes]:
    """Return the lines that end, with their line breaks; none of a missing file."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


def _parsed(line: bytes, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict):
        return record
    raise DamagedLog(f"damaged log: {where}: not a JSON object")


class Appender:
    """Appends records to a file, one flushed and synced line each; a torn last line is cut off first."""

    def __init__(self, path: Path) -> None:
        end = 0
        for number, line in enumerate(complete_lines(path), 1):
            _parsed(line, f"{path}, line {number}")
            end += len(line)
        self._file = path.open("ab")
        self._file.truncate(end)

    def append(self, record: Mapping[str, Any], *, sync: bool = True) -> None:
        """Write one record. When this returns, it survives a kill; synced, with all before it, a power cut too."""
        # Half a surrogate pair, which servers do send, is written as its JSON escape: the file stays valid UTF-8.
        self._file.write(dump(record).encode(errors="backslashreplace") + b"\n")
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def write_atomically(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a whole file: readers see the old one or the new one, never a part; unsynced, except after a power cut."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a whole file of indented JSON, for people too."""
    write_atomically(path, f"{json.dumps(record, indent=2, ensure_ascii=False)}\n".encode(errors="backslashreplace"))
