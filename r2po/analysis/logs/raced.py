"""What log directories say of their runs: a race of a sweep has selected them, or they are but smoke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from r2po.runlog.race import race_note
from r2po.runlog.smoke import smoke_note

MANY = 3
"""What is true of more log directories than these, and of all, is said of all runs."""


def remarks_of(folder: Path) -> list[str]:
    """Return what a reader of a log directory's means must know."""
    return list(filter(None, [race_note(folder), smoke_note(folder)]))


def races(named: Mapping[Path, Sequence[str]]) -> list[str]:
    """Return a line for each thing that is to be said, with the names of the log directories it is true of."""
    found: dict[str, list[str]] = {}
    true_of: dict[str, int] = {}
    for folder, names in named.items():
        for note in remarks_of(folder):
            found.setdefault(note, []).extend(name for name in names if name not in found.get(note, ()))
            true_of[note] = true_of.get(note, 0) + 1
    everywhere = {note for note, number in true_of.items() if number == len(named) > MANY}
    return [f"{'All runs' if note in everywhere else ', '.join(names)}: {note}" for note, names in found.items()]
