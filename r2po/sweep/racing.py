"""A race while its sweep is at work: what it leaves out is told, and stands in the manifest and beside the runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from r2po.runlog import RunDirectory
from r2po.runlog.events import FILE as EVENTS
from r2po.sweep.board import Board
from r2po.sweep.manifest import Manifest
from r2po.sweep.messages import DEFERRED
from r2po.sweep.plan import PlannedRun
from r2po.sweep.race import Race, Rule, told


class Racing:
    """Takes complete runs, and says which others need not be made; without a rule, all are made.

    Raises:
        InputError: The rule does not fit the sweep.
    """

    def __init__(self, rule: Rule | None, runs: Sequence[PlannedRun]) -> None:
        self._race = None if rule is None else Race(rule, runs)
        self._runs = runs

    def begin(self, manifest: Manifest, board: Board, note: Callable[[str], None]) -> None:
        """Follow a sweep that begins."""
        self._manifest, self._board, self._note = manifest, board, note

    def take(self, complete: Iterable[int], waiting: Collection[int]) -> set[int]:
        """Take complete runs into account; return which of those that wait are not made, now or before.

        What other processes have decided holds. The caller keeps them from deciding, and from claiming runs, meanwhile.
        """
        if self._race is None:
            return set()
        self._manifest.refresh()
        self._race.adopt(self._manifest.race, self._board.names)
        for run in complete:
            self._race.ended(run, RunDirectory(self._runs[run].path))
        decisions = self._race.decide(lambda run: run in waiting and not self._has_begun(run))
        for decision in decisions:
            self._note(told(decision))
            for run in decision.runs:
                self._board.set_state(run, "waiting", DEFERRED)
        if decisions or self._manifest.race is None:
            self._manifest.race = self._race.as_json(self._board.names)
            self._manifest.write()
            self._race.mark(self._manifest.folder.name)
        return self._race.left_out

    @property
    def deferred(self) -> int:
        """How many runs are left out, and nobody else has made."""
        left_out = set() if self._race is None else self._race.left_out
        return sum(self._board.runs[run].state != "complete" for run in left_out)

    def _has_begun(self, run: int) -> bool:
        """Whether a run has cost anything: a request is on record, or an iteration of a method that asks nobody."""
        path = self._runs[run].path / EVENTS
        return bool(self._board.runs[run].iterations) or (path.is_file() and path.stat().st_size > 0)
