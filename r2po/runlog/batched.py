"""Where the calls of a run are that were sent in batches: no process asks them again while a server has them.

The batches of a sweep are in its folder. A run may be continued by another sweep, or by itself, so the run says in
which folders its calls are, and by which name it is known there: ``batches.json``.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.runlog.jsonl import write_json

FILE = "batches.json"
STATE, CALLS = "state.json", "calls.jsonl"
"""Files of a batch: how far it is, and a line for each of its calls."""
SENDING, SENT = "sending", "sent"
OUT = (SENDING, SENT)
"""States of batches of which something may still come."""
_SCHEMA_VERSION = 1


def note_batches(run: Path, folder: Path, name: str) -> None:
    """Write down in a run that a folder of batches has calls of it, under a name; synced to disk."""
    known = noted_batches(run)
    if known.get(folder.resolve()) == name:
        return
    told = {os.path.relpath(each, run.resolve()): called for each, called in {**known, folder.resolve(): name}.items()}
    write_json(run / FILE, {"schema": _SCHEMA_VERSION, "folders": told})


def noted_batches(run: Path) -> dict[Path, str]:
    """Return the folders of batches that have calls of a run, and its name in each.

    Raises:
        InputError: What says so is damaged.
    """
    path = run / FILE
    try:
        told = json.loads(path.read_bytes())
        return {(run / each).resolve(): str(name) for each, name in told["folders"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged ({error or type(error).__name__}): it says in which batches calls of the run are; put "
            "back a copy, or delete it if none are under way"
        ) from None


def check_not_in_batches(runs: Iterable[Path]) -> None:
    """Refuse to make calls of runs by themselves as long as batches have them.

    Raises:
        InputError: Some are under way, or may be, or it cannot be read whether they are.
    """
    noted: dict[Path, dict[str, Path]] = defaultdict(dict)
    for run in runs:
        for folder, name in noted_batches(run).items():
            noted[folder][name] = run
    for folder, names in noted.items():
        for batch in sorted(folder.glob("r2po-*")):
            for name in _under_way(batch, names):
                raise InputError(
                    f"calls of {names[name]} are under way in batch {batch.name}, or may be: a sweep with this run and "
                    "--batch fetches the answers; without it they would be paid twice (to give them up: delete "
                    f"{batch})"
                )


def _under_way(batch: Path, names: Mapping[str, Path]) -> list[str]:
    """Return those of these runs that have calls in a batch which a server has, or may have."""
    try:
        if _read(batch / STATE)["state"] not in OUT:
            return []
        with (batch / CALLS).open(encoding="utf-8", errors="surrogatepass") as lines:
            asked = {json.loads(line)["run"] for line in lines}
    except FileNotFoundError:  # killed before it was complete: nothing was sent
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{batch} is damaged ({error or type(error).__name__}): nothing more is asked before it is put right, "
            "since it says what was paid for; put back a copy, or delete it to ask its calls again"
        ) from None
    return [name for name in names if name in asked]


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())
