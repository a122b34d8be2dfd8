"""Which run a process makes next, where several work on a sweep: one that nobody else holds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from r2po.runlog import RunDirectory
from r2po.sweep.accounts import Accounts
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.from_logs import read_progress
from r2po.sweep.members import Members
from r2po.sweep.messages import Ended, Listener
from r2po.sweep.plan import PlannedRun
from r2po.sweep.pool import Pool

LOOK_S = 2.0
"""If all runs that are left are held by others, it looks so often whether one was given back."""
LATER_S = 5.0
"""A run whose lock somebody holds who is no part of the sweep is tried again after this time."""


class Claims:
    """The runs that are left, and who holds them.

    Args:
        names: What the manifest calls all runs of the sweep.
        members: The processes that work on it.
        accounts: What the runs have used.
        listener: Hears of runs that others have brought to an end.
        patient: Whether to wait for runs that others hold; otherwise these are left to them.
    """

    def __init__(
        self,
        names: Sequence[str],
        members: Members,
        accounts: Accounts,
        listener: Listener,
        *,
        patient: bool,
    ) -> None:
        self._left: list[PlannedRun] = []
        self._names = names
        self._members = members
        self._accounts = accounts
        self._listener = listener
        self._patient = patient
        self._held: dict[int, PlannedRun] = {}
        self._not_before: dict[int, float] = {}
        self._look_at = float("-inf")

    def offer(self, runs: Iterable[PlannedRun]) -> None:
        """Add runs that are to be made, in this order."""
        self._left += runs

    @property
    def are_left(self) -> bool:
        """Whether there is a run that this process may still make."""
        return bool(self._left)

    def take(self) -> PlannedRun | None:
        """Take the next run that nobody holds; None if there is none now."""
        now = time.monotonic()
        if not self._left or now < self._look_at:
            return None
        with self._members.locked():
            run = self._find(now)
        if run is None:
            self._look_at = now + LOOK_S
        return run

    def ended(self, ended: Ended) -> bool:
        """A run came to an end here, and is given back; returns whether that settles it, or it is to be tried again."""
        run = self._held.pop(ended.run, None)
        if run is None:
            return True
        name = self._names[ended.run]
        me = self._members.me
        self._accounts.tell(me)
        self._accounts.give_back(ended.run)
        me.held.discard(name)
        if ended.state == "failed":
            me.failed[name] = ended.reason
        self._members.write()
        if ended.state != "running" or not self._patient:
            return True
        self._not_before[ended.run] = time.monotonic() + LATER_S
        self._left.append(run)
        return False

    def _find(self, now: float) -> PlannedRun | None:
        others = self._members.others()
        self._accounts.hear(others, self._members.is_live)
        held = {run: member for member in others if self._members.is_live(member) for run in member.held}
        failed = {run: reason for member in others for run, reason in member.failed.items()}
        for run in self._in_order():
            name = self._names[run.index]
            if name in held:
                if not self._patient:
                    self._pass(run, Ended(run.index, "running", f"{run.path} is being run by another process"))
            elif name in failed:
                self._pass(run, Ended(run.index, "failed", failed[name]))
            elif RunDirectory(run.path).is_complete:
                found = read_progress(run.index, run.path, run.config.num_iterations or 0)
                self._listener.hear(found)
                self._pass(run, Ended(run.index, found.state, found.now))
            elif now >= self._not_before.get(run.index, now) and self._claim(run, name):
                return run
        return None

    def _in_order(self) -> list[PlannedRun]:
        """Return the runs that are left; where locks keep nobody out, each process begins at a place of its own."""
        if self._members.locks_hold or not self._left:
            return list(self._left)
        start = int(self._members.me.id[-8:], 16) % len(self._left)
        return self._left[start:] + self._left[:start]

    def _claim(self, run: PlannedRun, name: str) -> bool:
        self._accounts.take(run.index)
        self._accounts.tell(self._members.me)
        if not self._members.claim(name):
            self._accounts.give_back(run.index)
            return False
        self._left.remove(run)
        self._held[run.index] = run
        return True

    def _pass(self, run: PlannedRun, ended: Ended) -> None:
        """Somebody else has the run, or has brought it to an end."""
        self._left.remove(run)
        self._listener.hear(ended)


class ClaimingPool(Pool):
    """A pool that starts no run that another process holds."""

    def __init__(
        self, coordinator: Coordinator, listener: Listener, claims: Claims, *, workers: int, jobs: int
    ) -> None:
        super().__init__(coordinator, listener, workers=workers, jobs=jobs)
        self._claims = claims

    def run(self, runs: Iterable[PlannedRun]) -> None:
        """Make those of these runs that no other process makes."""
        self._claims.offer(runs)
        super().run([])

    @property
    def _goes_on(self) -> bool:
        return super()._goes_on or self._claims.are_left

    def _start_runs(self) -> None:
        while self._under_way + len(self._waiting) < self._jobs:
            run = self._claims.take()
            if run is None:
                break
            self._waiting.append(run)
        super()._start_runs()
