"""Writing what an analysis made."""

from __future__ import annotations

from pathlib import Path

from r2po.errors import InputError
from r2po.runlog.jsonl import write_atomically


def write_file(path: Path, data: bytes) -> Path:
    """Write a file, and make its folder; returns the path.

    Raises:
        InputError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror or error}") from None
    return path
