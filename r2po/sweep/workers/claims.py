"""Which run a process makes next, where several work on a sweep: one that nobody else holds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from r2po.runlog import RunDirectory
from r2po.sweep.batching.clerk import Clerk
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.from_logs import read_progress
from r2po.sweep.members.accounts import Accounts
from r2po.sweep.members.elsewhere import InARow, is_for_others
from r2po.sweep.members.members import Members
from r2po.sweep.messages import DEFERRED, Ended, Listener
from r2po.sweep.plan import PlannedRun
from r2po.sweep.workers.memory import Memory
from r2po.sweep.workers.pool import Pool

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
        deferred: Returns the runs that a race of any of these processes has left out.
        patient: Whether to wait for runs that others hold; otherwise these are left to them.
    """

    def __init__(
        self,
        names: Sequence[str],
        members: Members,
        accounts: Accounts,
        listener: Listener,
        deferred: Callable[[], Collection[str]],
        *,
        patient: bool,
    ) -> None:
        self._left: list[PlannedRun] = []
        self._names = names
        self._members = members
        self._accounts = accounts
        self._listener = listener
        self._deferred = deferred
        self._patient = patient
        self._left_out: set[int] = set()
        self._tried: set[str] = set()
        self._held: dict[int, PlannedRun] = {}
        self._not_before: dict[int, float] = {}
        self._look_at = self._shared_at = float("-inf")
        self._share: int | None = None
        self._in_a_row = InARow()

    def offer(self, runs: Iterable[PlannedRun]) -> None:
        """Add runs that are to be made, in this order."""
        self._left += runs

    @property
    def are_left(self) -> bool:
        """Whether there is a run that this process may still make."""
        return bool(self._left)

    def had_chance(self, run: PlannedRun) -> bool:
        """Whether a run has failed in another process, and is made for the last time."""
        return self._names[run.index] in self._tried

    def free(self) -> list[PlannedRun]:
        """Return the runs that are left and that no other process holds."""
        held = self._members.held()
        return [run for run in self._left if self._names[run.index] not in held]

    def waiting(self) -> set[int]:
        """Return the runs that nobody makes now and nobody has begun."""
        held = self._members.held()
        return {
            run.index
            for run in self._left
            if self._names[run.index] not in held and not RunDirectory(run.path).iterations.exists()
        }

    def leave_out(self, runs: Collection[int]) -> None:
        """Make none of these runs."""
        self._left_out |= set(runs)
        self._left = [run for run in self._left if run.index not in runs]

    def put_back(self, run: PlannedRun, *, is_last: bool) -> None:
        """Let anybody make a run that was made here: the next one, or when all others are made."""
        if is_last:
            self._members.me.again.add(self._names[run.index])
        self._held.pop(run.index)
        self._release(run.index)
        self._left.insert(len(self._left) if is_last else 0, run)
        self._look_at = float("-inf")

    def take(self, out: Collection[str] = ()) -> PlannedRun | None:
        """Take the next run that nobody holds; None if there is none now. Those whose servers are out come last."""
        now = time.monotonic()
        if not self._left or now < self._look_at:
            return None
        with self._members.locked():
            run = self._find(now, out)
            self._tell_hunger(run is None and bool(self._left))
        if run is None:
            self._look_at = now + LOOK_S
        return run

    def _tell_hunger(self, is_hungry: bool) -> None:
        me = self._members.me
        if me.hungry != is_hungry:
            me.hungry = is_hungry
            self._members.write()

    def ended(self, ended: Ended) -> bool:
        """A run came to an end here, and is given back; returns whether that settles it, or it is to be tried again.

        Raises:
            SweepStopped: Too many failed in a row for a reason that may be one of this process only.
        """
        run, me, name = self._held.pop(ended.run, None), self._members.me, self._names[ended.run]
        if run is None:
            return True
        if ended.state == "failed":
            me.failed[name] = ended.reason
            if ended.elsewhere:
                me.elsewhere.add(name)
        self._release(ended.run)
        if self._patient and self._has_company:
            self._in_a_row.count(ended)
            if is_for_others(name, me, self._members.others()):
                self._left.append(run)
                return False
        if ended.state != "running" or not self._patient:
            return True
        self._not_before[ended.run] = time.monotonic() + LATER_S
        self._left.append(run)
        return False

    @property
    def _has_company(self) -> bool:
        """Whether another process is at work that makes whatever run it finds."""
        return any(member.worker for member in self._members.live())

    def share(self) -> int | None:
        """Return how many runs this process may have while others find none to make; None if nobody lacks runs."""
        now = time.monotonic()
        if now - self._shared_at >= LOOK_S:
            self._shared_at = now
            live = self._members.live()
            left = len(self._left) + len(self._held)
            self._share = math.ceil(left / (1 + len(live))) if any(member.hungry for member in live) else None
        return self._share

    def _release(self, run: int) -> None:
        self._accounts.tell(self._members.me)
        self._accounts.give_back(run)
        self._members.me.held.discard(self._names[run])
        self._members.write()

    def _find(self, now: float, out: Collection[str]) -> PlannedRun | None:
        others = self._members.others()
        self._accounts.hear(others, self._members.is_live)
        held = {run: member for member in others if self._members.is_live(member) for run in member.held}
        me = self._members.me
        failed = {run: reason for member in (me, *others) for run, reason in member.failed.items()}
        lonely = not any(member.worker and self._members.is_live(member) for member in others)
        deferred = self._deferred()
        self._tried = {run for member in others for run in member.again}
        again = self._tried | me.again | failed.keys()
        for run in sorted(self._in_order(), key=lambda run: (self._names[run.index] in again, _is_out(run, out))):
            name = self._names[run.index]
            if run.index in self._left_out:  # just now, since another run had ended
                continue
            if name in deferred:
                self._pass(run, Ended(run.index, DEFERRED, DEFERRED))
            elif name in held:
                if not self._patient:
                    self._pass(run, Ended(run.index, "running", f"{run.path} is being run by another process"))
            elif name in failed and (not is_for_others(name, me, others) or (name in me.failed and lonely)):
                self._pass(run, Ended(run.index, "failed", failed[name]))
            elif RunDirectory(run.path).is_complete:
                if all(name not in member.used for member in others):  # somebody made it who is no part of the sweep
                    self._accounts.read(run.index)
                found = read_progress(run.index, run.path, run.config.num_iterations or 0)
                self._listener.hear(found)
                self._pass(run, Ended(run.index, found.state, found.now))
            elif name not in me.failed and now >= self._not_before.get(run.index, now) and self._claim(run, name):
                return run
        return None

    def _in_order(self) -> list[PlannedRun]:
        """Return the runs that are left; where locks keep nobody out, each process begins at a place of its own."""
        if self._members.locks_hold or not self._left:
            return list(self._left)
        start = int(self._members.me.id[-8:], 16) % len(self._left)
        return self._left[start:] + self._left[:start]

    def _claim(self, run: PlannedRun, name: str) -> bool:
        if not self._members.claim(name):
            return False
        self._accounts.take(run.index)  # only now nobody else writes to its log
        self._left.remove(run)
        self._held[run.index] = run
        return True

    def _pass(self, run: PlannedRun, ended: Ended) -> None:
        """Somebody else has the run, or has brought it to an end."""
        self._left.remove(run)
        self._listener.hear(ended)


def _is_out(run: PlannedRun, out: Collection[str]) -> bool:
    """Whether a server of a run is out: such runs let the others start first."""
    return not run.servers.isdisjoint(out)


class ClaimingPool(Pool):
    """A pool that starts no run that another process holds; what waits in it is claimed and goes on after a crash."""

    def __init__(
        self,
        coordinator: Coordinator,
        listener: Listener,
        claims: Claims,
        *,
        workers: int,
        jobs: int,
        memory: Memory | None = None,
        clerk: Clerk | None = None,
    ) -> None:
        super().__init__(coordinator, listener, workers=workers, jobs=jobs, memory=memory, clerk=clerk)
        self._claims = claims

    def run(self, runs: Iterable[PlannedRun]) -> None:
        """Make those of these runs that no other process makes."""
        self._claims.offer(runs)
        super().run([])

    @property
    def waiting(self) -> set[int]:
        """Runs that nobody makes now and nobody has begun."""
        return self._claims.waiting()

    def leave_out(self, runs: Collection[int]) -> None:
        """Start none of these runs."""
        self._claims.leave_out(runs)

    @property
    def _is_any_left(self) -> bool:
        return super()._is_any_left or self._claims.are_left

    def _startable(self) -> Sequence[PlannedRun]:
        return [*self._waiting, *self._claims.free()]

    @property
    def _most(self) -> int:
        share = self._claims.share()
        return super()._most if share is None else min(super()._most, max(1, share))

    def _tick(self) -> None:
        share = self._claims.share()
        if share is not None:  # others have nothing to do: they get what this process has begun last
            self._coordinator.given_back |= self._beyond(max(1, share))
        super()._tick()

    def _next(self) -> PlannedRun | None:
        if self._waiting:
            return super()._next()
        run = self._claims.take(self._coordinator.outages(time.monotonic()))
        if run is not None and self._claims.had_chance(run):
            self._chances.have_had(run.index)
        return run

    def _put_back(self, run: PlannedRun, *, is_last: bool) -> None:
        self._claims.put_back(run, is_last=is_last)
