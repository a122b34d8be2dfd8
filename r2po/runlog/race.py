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
SCHEMA_VERSION = 1


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
    """Write it into a log directory."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FILE, {"schema": SCHEMA_VERSION, **asdict(record)})


def race_note(folder: Path) -> str:
    """Return what a reader of a log directory's means must know of a race; empty if there is nothing.

    A file that cannot be read is named rather than passed over.
    """
    path = folder / FILE
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rule, experiments = str(content["rule"]), int(content["experiments"])
        is_deferred, left_out = bool(content["is_deferred"]), [str(each) for each in content["left_out"]]
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError, KeyError, TypeError):
        return f"{FILE} cannot be read: perhaps these runs were selected by their results"
    if all(RunDirectory(folder / each).is_complete for each in left_out):
        return ""
    race = f"a race of {experiments} experiments ({rule})"
    if is_deferred:
        return f"deferred by {race}: fewer runs because of their results, so the mean is biased downwards"
    return f"selected by {race}: the mean is biased upwards"
