"""All runs under a folder, and what changed of them since a page last asked."""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from r2po.report.packing import Values
from r2po.view.finding import find_below
from r2po.view.held import held_here
from r2po.view.summary import Summary
from r2po.view.sweeps import WatchedSweep
from r2po.view.watched import Moment, Slice, WatchedRun

APART_S = 1.0
"""Between two looks at the folder, however many pages ask."""
LONG_S, SHARE = 0.5, 4
"""A folder that takes longer to look at is looked at more seldom: so many times as long passes in between."""
SLICE_S = 0.4
"""So long runs are read for the first time at once; the others come later, so that the first ones show soon."""
_DIGITS = 16


class Index:
    """The runs and sweeps under a folder. Any number of threads may ask.

    Attributes:
        root: The folder, by its true path.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._runs: dict[str, WatchedRun] = {}
        self._changed: dict[str, int] = {}
        self._gone: dict[str, int] = {}
        self._sweeps: dict[Path, WatchedSweep] = {}
        self._problems: list[str] = []
        self._version = 0
        self._looked, self._took = -math.inf, 0.0
        self._elsewhere: frozenset[Path] = frozenset()
        self._is_reading = True
        self._lock = threading.Lock()

    def read_all(self) -> None:
        """Read all runs once, so that the first page need not wait for it."""
        while self._is_reading:
            with self._lock:
                self._look()

    def run(self, name: str) -> WatchedRun | None:
        """Return the run that an address names; it is looked up, and no path is made of it."""
        with self._lock:
            self._look()
            return self._runs.get(name)

    def runs(self, names: Iterable[str]) -> dict[str, WatchedRun | None]:
        """Return several runs by name, likewise."""
        with self._lock:
            self._look()
            return {name: self._runs.get(name) for name in names}

    def experiment_of(self, run: WatchedRun) -> str:
        """Return the folder of a run's experiment, from the folder of logs."""
        folder = run.path.parent
        return self.root.name if folder == self.root else str(folder.relative_to(self.root))

    def changes(self, since: int, only: frozenset[str] | None = None) -> Values:
        """Return what changed since the answer whose ``cursor`` this is; 0 for everything. ``only``: of these runs.

        Returns:
            ``cursor``; ``runs``, a row for each run that is new or changed; ``gone``, the runs that are not there;
            ``sweeps`` and ``problems``, always all; ``busy``, whether something runs; ``reading``, whether some
            runs are still to be read.
        """
        with self._lock:
            self._look()
            if since > self._version:  # of a server before this one
                since = 0
            wanted = [run for name, run in self._runs.items() if only is None or name in only]
            changed = [run for run in wanted if self._changed[run.id] > since]
            states = {run.summary.state for run in wanted}
            return {
                "cursor": self._version,
                "whole": since == 0,
                "runs": [self._row(run) for run in changed],
                "gone": [name for name, version in self._gone.items() if version > since],
                "sweeps": [each.row(self.root, self._known) for each in self._sweeps.values()] if only is None else [],
                "problems": self._problems,
                "busy": "running" in states,
                "reading": "unread" in states,
            }

    def _row(self, run: WatchedRun) -> Values:
        about = {"id": run.id, "experiment": self.experiment_of(run), "run": run.path.name}
        return {**about, **run.summary.row()}

    def _known(self, path: Path) -> Summary | None:
        run = self._runs.get(name_of(path, self.root))
        return run.summary if run is not None else None

    def _look(self) -> None:
        """Look at the folder, unless that was just done; then read what takes a while, as far as there is time."""
        began = time.monotonic()
        if began - self._looked >= (SHARE * self._took if self._took > LONG_S else APART_S):
            self._version += 1
            self._list()
            self._looked = time.monotonic()
            self._took = self._looked - began
        due = [run for run in self._runs.values() if run.is_due]
        if due:
            self._version += 1
            self._look_at(due, Slice(SLICE_S, time.monotonic))
        self._is_reading = any(run.is_due for run in due)

    def _list(self) -> None:
        """Look at the folder and all that is in it."""
        found = find_below(self.root)
        self._problems = found.problems
        self._sweeps = {folder: self._sweeps.get(folder) or WatchedSweep(folder) for folder in found.sweeps}
        self._elsewhere = frozenset(path for sweep in self._sweeps.values() for path in sweep.held())
        there = {name_of(path, self.root): path for path in found.runs}
        for name in self._runs.keys() - there.keys():
            del self._runs[name], self._changed[name]
            self._gone[name] = self._version
        for name in there.keys() - self._runs.keys():
            self._changed[name] = self._version
            self._gone.pop(name, None)
        self._runs = {name: self._runs.get(name) or WatchedRun(path, name) for name, path in there.items()}
        self._look_at([run for run in self._runs.values() if not run.is_due], None)

    def _look_at(self, runs: Sequence[WatchedRun], time_slice: Slice | None) -> None:
        moment = Moment(time.monotonic(), time.time(), held_here(), self._elsewhere)
        for run in runs:
            if run.look(moment, time_slice):
                self._changed[run.id] = self._version


def name_of(path: Path, root: Path) -> str:
    """Return what addresses call a run: of letters and digits, and the same as long as it stays where it is."""
    within = os.path.relpath(path, root)
    return f"r{hashlib.sha256(os.fsencode(within)).hexdigest()[:_DIGITS]}"
