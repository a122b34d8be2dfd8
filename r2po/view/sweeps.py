"""How far the sweeps under a folder are, from what is known of their runs already."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.report.machine_paths import without_paths
from r2po.report.packing import Values
from r2po.sweep.board import Board
from r2po.sweep.control import Orders, read_orders, told
from r2po.sweep.manifest import FILE, Manifest, read
from r2po.sweep.members.members import FOLDER as WORKERS
from r2po.sweep.members.onlookers import held_in
from r2po.sweep.messages import Progress
from r2po.sweep.outages import read_outages
from r2po.sweep.screen import rates
from r2po.view.finding import regular_files, why_refused
from r2po.view.summary import Summary, known

LookUp = Callable[[Path], Summary | None]
"""Gives what is known of the run in a folder; None if no run there is listed."""


class WatchedSweep:
    """A sweep. Its manifest names runs; they are only looked up among those that were found.

    Attributes:
        folder: Its folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifest: Manifest | None = None
        self._problem = ""
        self._stamp: Any = None
        self._board: Board | None = None

    def held(self) -> set[Path]:
        """Return the folders of the runs that a process says it makes."""
        try:
            self._read()
            if self._manifest is None or self._refused():
                return set()
            # Runs may lie elsewhere than beside the sweep; nothing is looked up on the disk.
            return {Path(os.path.normpath(self.folder.parent / run)) for run in held_in(self.folder)}
        except Exception as error:  # noqa: BLE001 - one odd file must not hide all the rest
            self._manifest, self._problem = None, f"cannot be read: {type(error).__name__}: {error}"
            self._stamp = None  # it may be in order at the next look
            return set()

    def row(self, root: Path, look_up: LookUp) -> Values:
        """Return what the page of all runs is given of it."""
        name = str(self.folder.relative_to(root))
        if self._manifest is None:
            return {"name": name, "problem": without_paths(self._problem)}
        try:
            refused = self._refused()
            if refused:
                return {"name": name, "problem": refused}
            return self._told(name, self._manifest, root, look_up)
        except Exception as error:  # noqa: BLE001 - as above
            return {"name": name, "problem": f"cannot be read: {type(error).__name__}: {without_paths(str(error))}"}

    def _told(self, name: str, manifest: Manifest, root: Path, look_up: LookUp) -> Values:
        board = self._renewed(manifest, look_up)
        asked, total = self._asked(board), board.total
        return {
            "name": name,
            "problem": "",
            "beside": "" if self.folder.parent == root else f"{self.folder.parent.relative_to(root)}/",
            "started": manifest.created[:16].replace("T", " "),
            "runs": total.runs,
            "states": {state: total.states[state] for state in sorted(total.states)},
            "iterations": total.iterations,
            "to_go": total.to_go,
            "pace": rates(board, board.speed(time.monotonic())),
            "asked": asked,
            "failures": [f"{run}: {why}" for run, why in sorted(self._failures(board).items())],
        }

    def _refused(self) -> str:
        """Say what nobody may open in the folders that are read; empty if there is no such thing."""
        folders = [each for each in (self.folder, self.folder / WORKERS) if each.is_dir() and not each.is_symlink()]
        return why_refused([line for each in folders for line in regular_files(each)[1]])

    def _read(self) -> None:
        """Read the manifest, if it is another one than before."""
        try:
            status = regular_files(self.folder)[0][FILE]
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if stamp != self._stamp:
                self._stamp = stamp
                self._manifest, self._problem, self._board = read(self.folder), "", None
        except InputError as error:
            self._manifest, self._problem = None, str(error)
        except (OSError, KeyError):
            self._manifest, self._problem = None, f"{FILE} cannot be read"

    def _renewed(self, manifest: Manifest, look_up: LookUp) -> Board:
        """Return the board with what is known of each run by now; it keeps the past, for the pace."""
        runs = [
            _progress(place, entry, look_up(manifest.path(place)), manifest.failures.get(entry["run"], ""))
            for place, entry in enumerate(manifest.runs)
        ]
        if self._board is None:
            self._board = Board([entry["run"] for entry in manifest.runs], runs)
        self._board.runs = runs
        self._board.outages = read_outages(self.folder)
        return self._board

    def _asked(self, board: Board) -> list[str]:
        """Say what people have asked of the sweep."""
        board.is_paused = False
        with suppress(InputError):
            orders = read_orders(self.folder)
            board.is_paused = bool(orders.paused)
            return [line.split(": no call begins")[0] for line in told(Orders(), orders, self.folder)]
        return ["what was asked of it cannot be read"]

    @staticmethod
    def _failures(board: Board) -> Mapping[str, str]:
        return {board.names[run.run]: run.now for run in board.runs if run.state == "failed"}


def _progress(place: int, entry: Mapping[str, Any], found: Summary | None, failure: str) -> Progress:
    """Return where a run stands, in the words of sweeps; tokens are not known from a cheap look."""
    planned = entry["planned"] or 0
    if found is None:
        return Progress(place, "failed" if failure else "waiting", failure, planned=planned)
    words = {"done": "complete", "running": "running", "damaged": "damaged"}
    state = words.get(found.state, "failed" if failure else "waiting")
    return Progress(
        place,
        state=state,
        now=failure if state == "failed" else found.note,
        iterations=len(found.numbers),
        planned=planned,
        best=known(found.best[-1]) if len(found.best) else None,
        calls=found.calls or 0,
        episodes=found.episodes or 0,
        cost=found.cost,
    )
