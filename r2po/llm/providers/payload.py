"""Reading the JSON of servers, who leave out whatever they like."""

from __future__ import annotations

from typing import Any

LARGEST_COUNT = 10**12
"""A larger number of tokens is a mistake; beyond the range of floats, no log that holds it could be read."""


def entry(value: Any, *path: str | int) -> Any:
    """Return the value at a path of keys and indices, or None: servers leave out whatever they like."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value


def entries(value: Any, *path: str | int) -> list[dict[str, Any]]:
    """Return the objects in the list at a path; none if there is no list."""
    found = entry(value, *path)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def string(value: Any, *path: str | int) -> str:
    """Return the string at a path, or an empty one if anything else is there."""
    value = entry(value, *path)
    return value if isinstance(value, str) else ""


def count(value: Any, *path: str | int) -> int | None:
    """Return the count at a path; None if anything else is there, or a number that can be no count of tokens."""
    value = entry(value, *path)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_COUNT else None


def total(*counts: int | None) -> int | None:
    """Return the sum of the known counts; None if the first, which the others are added to, is unknown."""
    return None if counts[0] is None else sum(each or 0 for each in counts)
