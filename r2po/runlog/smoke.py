"""``smoke.json`` in a log directory: its runs have tiny budgets, which show that all works, and are nobody's result.

The file stands beside the runs, so that whoever analyses them is told, today or later.
"""

from __future__ import annotations

from pathlib import Path

from r2po.runlog.jsonl import write_json

FILE = "smoke.json"
SCHEMA_VERSION = 1
NOTE = "smoke, tiny budgets which show that all works and say nothing about any method"


def write_smoke(folder: Path) -> None:
    """Write it into a log directory, or into the folder of several algorithms; it is made."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / FILE).exists():
        write_json(folder / FILE, {"schema": SCHEMA_VERSION, "note": NOTE})


def smoke_note(folder: Path) -> str:
    """Return what a reader of a log directory's runs must know of smoke; empty if there is nothing."""
    return NOTE if any((each / FILE).exists() for each in (folder, folder.parent)) else ""
