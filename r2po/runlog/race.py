"""``race.json`` in a log directory: a sweep raced this experiment against others, and left out runs of some by it.

Whoever averages these runs must know it: what survived was selected by its own results. The file stands beside the
runs, so that it moves with them. It says nothing any more once the runs that were left out are complete.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from r2po.runlog.directory import RunDirectory
from r2po.runlog.jsonl import write_json

FILE = "race.json"
SCHEMA_VERSION = 2


@dataclass(frozen=True)
class RaceRecord:
    """What the runs of a log directory have to do with a race.

    Attributes:
        sweep: Name of the sweep.
        rule: By which rule, e.g. ``heldout_reward:5``.
        experiments: How many took part.
        is_deferred: Whether this one lost.
        left_out: The runs of the race that were not made, as paths from the log directory.
    """

    sweep: str
    rule: str
    experiments: int
    is_deferred: bool
    left_out: tuple[str, ...]


def write_race(folder: Path, record: RaceRecord) -> None:
    """Write it into a log directory, in the place of what the same sweep has written; others' races stay.

    A file that cannot be read stays too, as it may hold such races: ``race_note`` names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        others = [each for each in _read(folder / FILE) if each.sweep != record.sweep]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return
    races = [asdict(each) for each in (*others, record)]
    write_json(folder / FILE, {"schema": SCHEMA_VERSION, "races": races})


def race_note(folder: Path) -> str:
    """Return what a reader of a log directory's means must know of races; empty if there is nothing.

    A file that cannot be read is named rather than passed over.
    """
    try:
        records = _read(folder / FILE)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return f"{FILE} cannot be read: perhaps these runs were selected by their results"
    return "; ".join(dict.fromkeys(_told(each) for each in records if not _is_undone(folder, each)))


def _read(path: Path) -> list[RaceRecord]:
    """Return the races of a file, none if there is no file; the first version had one alone."""
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [
        RaceRecord(
            str(each["sweep"]),
            str(each["rule"]),
            int(each["experiments"]),
            bool(each["is_deferred"]),
            tuple(str(run) for run in each["left_out"]),
        )
        for each in content.get("races", [content])
    ]


def _is_undone(folder: Path, record: RaceRecord) -> bool:
    return all(RunDirectory(folder / each).is_complete for each in record.left_out)


def _told(record: RaceRecord) -> str:
    race = f"a race of {record.experiments} experiments ({record.rule})"
    if record.is_deferred:
        return f"deferred by {race}: fewer runs because of their results, so the mean is biased downwards"
    return f"selected by {race}: the mean is biased upwards"
