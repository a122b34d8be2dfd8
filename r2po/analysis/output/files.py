"""Writing what an analysis made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.runlog.jsonl import write_atomically
from r2po.terminal import CONTROL


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


def to_json(record: Any) -> bytes:
    """Return the content of a JSON file for people and programs; a number that is not finite has no place in it."""
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    # As JSON itself does with some of them.
    return (CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n").encode()


def folder_name(label: str) -> str:
    """Return a label as the name of a folder: letters, digits and single hyphens."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-.")
