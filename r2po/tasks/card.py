"""Task cards as files: YAML with the entries of a ``Task``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pydantic
import yaml
from pydantic import TypeAdapter

from r2po.errors import InputError, nearest
from r2po.tasks.task import Task

_TASK = TypeAdapter(Task)
_NAMES = [field.name for field in fields(Task)]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_card(path: Path) -> Task:
    """Read a card; ``like: maze`` takes over the entries of the card ``maze.yaml`` beside it.

    Raises:
        InputError: It is missing or not YAML, an entry is missing or unknown, or a value is of the wrong type.
    """
    entries = _entries(path)
    for key in entries:
        if key not in _NAMES:
            raise InputError(f"{path}: unknown entry {str(key)!r}{nearest(str(key), _NAMES)}")
    try:
        return _TASK.validate_python(entries)
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise InputError(f"{path}: {key}: {problem['msg'][0].lower()}{problem['msg'][1:]}") from None


def _entries(path: Path) -> dict[str, Any]:
    try:
        card = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the task card {path}: {' '.join(str(error).split())}") from None
    if not isinstance(card, dict):
        raise InputError(f"{path}: expected a task card, a mapping of entries")
    model = card.pop("like", None)
    return card if model is None else _entries(path.parent / f"{model}.yaml") | card
