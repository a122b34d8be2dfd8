"""Which experiments were raced by a sweep, so that nobody averages a selection unawares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from r2po.runlog.race import race_note


def races(named: Mapping[Path, Sequence[str]]) -> list[str]:
    """Return a line for each thing that is to be said of races, with the names of the log directories it is true of."""
    found: dict[str, list[str]] = {}
    for folder, names in named.items():
        note = race_note(folder)
        if note:
            found.setdefault(note, []).extend(name for name in names if name not in found.get(note, ()))
    return [f"{', '.join(names)}: {note}" for note, names in found.items()]
