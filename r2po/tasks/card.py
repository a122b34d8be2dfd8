"""Task cards as files: YAML with the entries of a ``Task``, some of them in a shorter form."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pydantic
import yaml
from pydantic import TypeAdapter

from r2po.errors import InputError, nearest
from r2po.places import check_text
from r2po.tasks.task import NUMBERS, TODO, Task

_TASK = TypeAdapter(Task)
_NAMES = [field.name for field in fields(Task)]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_card(path: Path) -> Task:
    """Read a card.

    Some entries may be shorter than those of a ``Task``: ``like: maze`` takes over the entries of the card
    ``maze.yaml`` beside it or in the package; ``reward_source`` may name a Python file, beside the card or in the
    package's ``rewards``, whose function ``reward`` is meant; an observation dimension with ``count: n`` stands for n
    in a row, ``{i}`` in its name for the place among them, from 0; and ``TODO`` leaves a number open.

    Raises:
        InputError: It is missing or not YAML, an entry is missing or unknown, or a value is of the wrong type.
    """
    return card_of(_entries(path), str(path))


def card_of(entries: Mapping[str, Any], source: str) -> Task:
    """Return the card with these entries, as a ``Task`` names them; ``source`` is what messages call it.

    Raises:
        InputError: An entry is missing or unknown, or a value is of the wrong type.
    """
    for key in entries:
        if key not in _NAMES:
            raise InputError(f"{source}: unknown entry {str(key)!r}{nearest(str(key), _NAMES)}")
    _check_texts(entries, source)
    open_ = {key: None for key in NUMBERS if str(entries.get(key)).startswith(TODO)}
    try:
        return _TASK.validate_python({**entries, **open_})
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise InputError(f"{source}: {key}: {problem['msg'][0].lower()}{problem['msg'][1:]}") from None


def _check_texts(value: Any, source: str) -> None:
    """Refuse texts that no log can hold, at any depth."""
    if isinstance(value, str):
        check_text(value, source)
    elif isinstance(value, Mapping):
        _check_texts([*value, *value.values()], source)
    elif isinstance(value, list | tuple):
        for each in value:
            _check_texts(each, source)


def _entries(path: Path) -> dict[str, Any]:
    try:
        card = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(f"cannot read the task card {path}: {reason or ' '.join(str(error).split())}") from None
    if not isinstance(card, dict):
        raise InputError(f"{path}: expected a task card, a mapping of entries")
    model = card.pop("like", None)
    source = card.get("reward_source")
    if isinstance(source, str) and source.endswith(".py"):
        card["reward_source"] = _function(source, path)
    if isinstance(card.get("observation"), list):
        card["observation"] = [each for dimension in card["observation"] for each in _spread(dimension, path)]
    return card if model is None else _entries(_model(str(model), path)) | card


def _model(name: str, card: Path) -> Path:
    """Return the card that another one takes over: that beside it, or that of the package."""
    beside, ours = card.parent / f"{name}.yaml", Path(__file__).parent / "cards" / f"{name}.yaml"
    return ours if ours.exists() and (beside == card or not beside.exists()) else beside


def _function(source: str, card: Path) -> str:
    """Return the text of the function ``reward`` in a file; nothing in it is run."""
    beside, ours = card.parent / source, Path(__file__).parent / "rewards" / source
    try:
        text = (ours if ours.exists() and not beside.exists() else beside).read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{card}: reward_source: cannot read {source}: {' '.join(str(error).split())}") from None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "reward":
            return f"{ast.get_source_segment(text, node)}\n"
    raise InputError(f"{card}: reward_source: {source} has no function 'reward'")


def _spread(dimension: Any, card: Path) -> list[Any]:
    """Return the dimensions that one entry of an observation stands for."""
    if not isinstance(dimension, dict) or "count" not in dimension:
        return [dimension]
    entry = dict(dimension)
    count, name = entry.pop("count"), str(entry.get("name", ""))
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise InputError(f"{card}: observation: count must be an integer of at least 1, not {count!r}")
    return [entry | {"name": name.replace("{i}", str(i))} for i in range(count)]
