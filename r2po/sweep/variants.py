"""``--set key=v1,v2`` of a sweep: one variant for each combination of values."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from r2po.errors import InputError

_OPENING, _CLOSING, _QUOTES = "[{(", "]})", "\"'"


@dataclass(frozen=True)
class Variant:
    """Overrides of one variant.

    Attributes:
        overrides: ``key=value`` for each key.
        name: What sets it apart from the other variants; empty if there is only one.
    """

    overrides: tuple[str, ...]
    name: str


def expand(settings: Sequence[str]) -> list[Variant]:
    """Return all variants.

    Args:
        settings: ``key=v1,v2,...``; a comma inside brackets or quotes belongs to the value.

    Raises:
        InputError: A setting has no key, an empty value among several, or a key is given twice.
    """
    keys = [text.partition("=")[0].strip() for text in settings]
    for key, text in zip(keys, settings, strict=True):
        if not key or "=" not in text:
            raise InputError(f"--set {text!r}: expected key=value or key=value1,value2")
        if keys.count(key) > 1:
            raise InputError(f"--set: {key!r} is given twice; several values are written {key}=value1,value2")
    choices = [[f"{key}={value}" for value in _choices(text)] for key, text in zip(keys, settings, strict=True)]
    return [
        Variant(
            overrides,
            ",".join(
                _for_a_folder(text)
                for text, among in zip(overrides, choices, strict=True)
                if len(among) > 1 and not text.startswith("logdir=")
            ),
        )
        for overrides in itertools.product(*choices)
    ]


def _choices(text: str) -> list[str]:
    value = text.partition("=")[2]
    parts = split(value)
    if len(parts) == 1:
        return [value]
    if not all(parts):
        raise InputError(f"--set {text!r}: a value is empty; a list is one value, written '[a, b]'")
    return parts


def split(text: str) -> list[str]:
    """Split at commas outside brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES:
            quote = character
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == "," and depth == 0:
            parts.append("")
            continue
        parts[-1] += character
    return [part.strip() for part in parts]


def _for_a_folder(text: str) -> str:
    return re.sub(r"[^\w.+=-]+", "-", text).strip("-")
