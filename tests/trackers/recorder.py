"""A tracker of the tests' own: it writes what it is sent into a file. Imported as a plugin, it registers itself."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r2po import register
from r2po.trackers import Ending, Point, Sent, Sink, TrackedRun, Tracker


class Recorder(Sink):
    """Writes a line for each call beside the run directory."""

    def __init__(self, run: TrackedRun) -> None:
        self.run = run
        self._file = file_of(run.path)

    def sent(self) -> Sent:
        lines = read(self.run.path)
        steps = [each["step"] for line in lines for each in line.get("points", [])]
        return Sent(any("config" in line for line in lines), max(steps, default=0), any("ending" in x for x in lines))

    def describe(self) -> None:
        about = {key: getattr(self.run, key) for key in ("identity", "experiment", "name", "method", "tags")}
        self._write({**about, "config": self.run.config_text})

    def log(self, points: Sequence[Point]) -> None:
        if os.environ.get("RECORDER_SLEEPS"):
            time.sleep(float(os.environ["RECORDER_SLEEPS"]))
        self._write({"points": [{"step": each.step, "time": each.time, **each.values} for each in points]})

    def end(self, ending: Ending) -> None:
        point = {"step": ending.point.step, "time": ending.point.time, **ending.point.values}
        self._write({"ending": point, "texts": dict(ending.texts), "files": [each.name for each in ending.files]})

    def close(self, *, complete: bool) -> None:
        self._write({"complete": complete})

    def _write(self, line: dict[str, Any]) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")


def file_of(run: Path) -> Path:
    return run.parent / f"{run.name}.recorded"


def read(run: Path) -> list[dict[str, Any]]:
    """Return what was sent of a run, call by call."""
    path = file_of(run)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def points(run: Path) -> list[dict[str, Any]]:
    """Return the iterations that were sent."""
    return [each for line in read(run) for each in line.get("points", [])]


RECORDER = register(Tracker("recorder", Recorder))
