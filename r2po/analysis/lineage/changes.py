"""What differs between two policies: numbers, or lines of a program."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from r2po.analysis.lineage.rounds import Attempt
from r2po.analysis.lineage.words import brief


def changed_params(old: Sequence[float], new: Sequence[float]) -> list[tuple[int, float, float]]:
    """Return index, old value and new value of each parameter that differs; both policies have as many."""
    pairs = enumerate(zip(old, new, strict=False))
    return [(index, before, after) for index, (before, after) in pairs if before != after]


def unified_diff(old: str, new: str, old_name: str = "", new_name: str = "") -> list[str]:
    """Return the lines of a unified diff of two programs; none if they are equal."""
    # Not splitlines, which also splits where Python's own source has no line end.
    return list(difflib.unified_diff(old.split("\n"), new.split("\n"), old_name, new_name, lineterm=""))


def changed_lines(old: str, new: str) -> tuple[int, int]:
    """Return how many lines were added and how many were removed."""
    body = unified_diff(old, new)[2:]
    return sum(line.startswith("+") for line in body), sum(line.startswith("-") for line in body)


def change(old: Attempt, new: Attempt) -> str:
    """Say in a few words what was changed; empty where policies cannot be compared."""
    if new.source is not None and old.source:
        added, removed = changed_lines(old.source, new.source)
        return f"+{added} -{removed} lines" if added or removed else "same source"
    if not new.params or len(old.params) != len(new.params):
        return ""
    changed = changed_params(old.params, new.params)
    told = ", ".join(f"[{index}] {brief(before)} → {brief(after)}" for index, before, after in changed)
    return f"{len(changed)} of {len(new.params)} params: {told}" if changed else "same params"


def nearest(before: Sequence[Attempt], new: Attempt) -> Attempt | None:
    """Return the policy from which the fewest lines or parameters were changed, the first of equals.

    Args:
        before: The policies to choose from.
        new: The later one.

    Returns:
        None if there is none that it can be compared with.
    """
    comparable = [old for old in before if _kind(old) and _kind(old) == _kind(new)]
    return min(comparable, key=lambda old: _distance(old, new), default=None)


def _kind(attempt: Attempt) -> tuple[str, int] | None:
    """Return what a policy must share with another one to be compared with it; None if it has nothing to compare."""
    if attempt.source:
        return "source", 0
    return ("params", len(attempt.params)) if attempt.params else None


def _distance(old: Attempt, new: Attempt) -> int:
    if old.source and new.source:
        return sum(changed_lines(old.source, new.source))
    return len(changed_params(old.params, new.params))
