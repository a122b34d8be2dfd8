"""Small runs that trackers follow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.experiment.resolve import Resume
from tests.builders import make_config
from tests.trackers.recorder import RECORDER as RECORDER  # registers it

SMALL = {"num_iterations": 4, "num_evaluation_episodes": 2, "warmup_episodes": 1, "heldout_episodes": 3}

Make = Callable[..., Path]


class Notes(Observer):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep it."""
        self.notes.append(text)


def make_run(
    logdir: Path,
    *names: str,
    observer: Observer | None = None,
    environ: dict[str, str] | None = None,
    anew: bool = False,
    **values: Any,
) -> Path:
    """Make a run of Nim, or go on with the last one, that these trackers follow; returns its directory."""
    settings = {**SMALL, "rollout_engine": "reference", "track": list(names), "seed": 1, **values}
    config = make_config("nim", settings.pop("method", "r2po"), logdir=str(logdir), **settings)
    resume: Resume = "latest" if (logdir / "run_1").is_dir() and not anew else None
    launch(config, resume, environ or {}, observer or Observer())
    return logdir / f"run_{len([*logdir.glob('run_*/')])}"


def unfinish(run: Path, left: int) -> None:
    """Leave so many iterations of a run, as if it had been killed then."""
    (run / "result.json").unlink()
    lines = (run / "iterations.jsonl").read_bytes().splitlines(keepends=True)
    (run / "iterations.jsonl").write_bytes(b"".join(lines[:left]))


def iterations(run: Path) -> list[dict[str, Any]]:
    """Return the lines of the log."""
    return [json.loads(line) for line in (run / "iterations.jsonl").read_text("utf-8").splitlines()]


def result(run: Path) -> dict[str, Any]:
    """Return the content of result.json."""
    found: dict[str, Any] = json.loads((run / "result.json").read_text("utf-8"))
    return found
