"""A sweep on this machine: a few worker processes with many waiting runs each.

Rollouts need a core, so there is a process for each; waiting runs need nothing but memory. The first process decides
which call is made when. When it ends, for whatever reason, so do the workers; when a worker ends, its runs continue in
another.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait

from r2po import cores
from r2po.sweep.batching.clerk import Clerk
from r2po.sweep.batching.courier import BatchStopped
from r2po.sweep.batching.messages import BatchCall
from r2po.sweep.control import Answer
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.messages import (
    GIVEN_BACK,
    AttemptOutcome,
    Ended,
    Instruction,
    Listener,
    Note,
    OfAttempt,
    PermitRequest,
    Progress,
)
from r2po.sweep.outages import first_to_start
from r2po.sweep.places import who_gives_way
from r2po.sweep.plan import PlannedRun
from r2po.sweep.second_chance import QUEUED, SecondChances
from r2po.sweep.workers.descriptors import take_over_limit
from r2po.sweep.workers.memory import Memory
from r2po.sweep.workers.process import WorkerProcess, spawn

MOST_CRASHES = 5
"""How many crashes of its worker process a run survives: the run may be what causes them."""
TICK_S = 0.25
GRACE_S = 1.0
SETTLE_S = 10.0
"""How long after the last call runs may take to come to their next one, when a stop was asked for."""


class Pool:
    """Makes runs in some worker processes, no more than ``jobs`` at once, which share the cores evenly.

    With a ``memory``, there are no more than fit into it either. With a ``clerk``, their calls are sent in batches.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        listener: Listener,
        *,
        workers: int,
        jobs: int,
        memory: Memory | None = None,
        clerk: Clerk | None = None,
    ) -> None:
        self._coordinator = coordinator
        self._listener = listener
        self._size, self._jobs = workers, jobs
        self._memory = memory
        self._settled_since: float | None = None
        self._is_stopping = False
        self._clerk = clerk
        self._share = max(1, cores.available() // jobs)
        self._workers: list[WorkerProcess] = []
        self._waiting: deque[PlannedRun] = deque()
        self._begun: dict[int, int] = {}
        self._crashes = Counter[int]()
        self._chances = SecondChances()

    def run(self, runs: Iterable[PlannedRun]) -> None:
        """Make all runs; raises a ``BatchStopped`` if a batch of their calls cannot go on."""
        self._waiting = deque(runs)
        ticked = time.monotonic()
        try:
            while self._goes_on:
                self._start_runs()
                self._give_places()
                self._grant()
                self._hand_out()
                due = self._coordinator.wait_s(time.monotonic())
                for connection in wait(
                    [worker.connection for worker in self._workers], TICK_S if due is None else min(due, TICK_S)
                ):
                    self._hear(next(worker for worker in self._workers if worker.connection is connection))
                if time.monotonic() - ticked >= TICK_S:
                    ticked = time.monotonic()
                    self._tick()
            self._tick()
        finally:
            self.close()

    def obey(self, asked: Instruction, jobs: int | None, workers: int) -> Answer:
        """Do from now on what people ask, with so many runs at once, in so many processes."""
        self._coordinator.obey(asked)
        if asked.stopping:
            self._is_stopping = True
        if jobs is not None and jobs != self._jobs:
            self._memory = None  # that many are asked for
            self._jobs = jobs
        self._size = workers
        for worker in self._workers:
            take_over_limit(worker.process.pid)
        back = self._coordinator.leaving | self._beyond(self._jobs)
        self._coordinator.given_back = back
        return Answer("", self._coordinator.under_way, self._under_way, len(back))

    def _beyond(self, count: int) -> set[int]:
        """Return the runs that began last, of those under way that stay, but for so many."""
        staying = {index for worker in self._workers for index in worker.runs} - self._coordinator.leaving
        return set(sorted(staying, key=lambda index: self._begun[index])[count:])

    @property
    def waiting(self) -> set[int]:
        """Runs that are not under way yet."""
        return {run.index for run in self._waiting}

    def leave_out(self, runs: Collection[int]) -> None:
        """Start none of these runs."""
        self._waiting = deque(run for run in self._waiting if run.index not in runs)

    def _may_stop(self) -> bool:
        """Whether a stop was asked for, and all replies are on record: runs that only roll out are not waited for."""
        waits = self._coordinator.under_way and self._clerk is None  # batches go on without this process
        if not self._is_stopping or waits:
            self._settled_since = None
            return False
        now = time.monotonic()
        self._settled_since = self._settled_since or now
        return now - self._settled_since > SETTLE_S

    def close(self) -> None:
        """End the workers, whatever they are doing: logs are safe at any moment."""
        for worker in self._workers:
            worker.connection.close()
        if self._clerk is not None:
            self._clerk.close()
        deadline = time.monotonic() + GRACE_S
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    @property
    def _goes_on(self) -> bool:
        return (self._under_way > 0 or (self._is_any_left and not self._is_stopping)) and not self._may_stop()

    @property
    def _is_any_left(self) -> bool:
        """Whether there are runs to be started."""
        return bool(self._waiting)

    @property
    def _under_way(self) -> int:
        return sum(len(worker.runs) for worker in self._workers)

    @property
    def _most(self) -> int:
        """How many runs may be under way now."""
        if self._memory is None:
            return self._jobs
        pids = [worker.process.pid for worker in self._workers if worker.process.pid is not None]
        return min(self._jobs, self._memory.fitting(time.monotonic(), self._under_way, pids))

    def _start_runs(self) -> None:
        may_start = not self._is_stopping and not self._coordinator.is_paused
        while may_start and self._is_any_left and self._under_way < self._most:
            run = self._next()
            if run is None:
                break
            if len(self._workers) < self._size:
                self._workers.append(spawn(self._share))
            worker = min(self._workers, key=lambda each: len(each.runs))
            worker.runs[run.index] = run
            self._begun[run.index] = len(self._begun)
            self._send(worker, run)

    def _give_places(self) -> None:
        """Take back runs that only wait for a server that is out, for as many others that find no place."""
        stranded = self._coordinator.stranded() if self._is_any_left and not self._coordinator.is_paused else {}
        if not stranded:
            return
        out = self._coordinator.outages(time.monotonic())
        ready = sum(run.servers.isdisjoint(out) for run in self._startable())
        most, given_back = self._most, self._coordinator.given_back
        missing = ready - max(0, most - self._under_way) - len(given_back)
        going = [run for run in who_gives_way(stranded, self._begun, most) if run not in given_back]
        given_back.update(going[: max(0, missing)])

    def _startable(self) -> Sequence[PlannedRun]:
        """Return the runs that could be started now, if there were a place."""
        return self._waiting

    def _next(self) -> PlannedRun | None:
        """Take the run that is started next; None if there is none now."""
        place = first_to_start(self._waiting, self._coordinator.outages(time.monotonic()))
        run = self._waiting[place]
        del self._waiting[place]
        return run

    def _put_back(self, run: PlannedRun, *, is_last: bool) -> None:
        """Start a run again: as the next one, or after all others."""
        self._waiting.insert(len(self._waiting) if is_last else 0, run)

    def _grant(self) -> None:
        for verdict in self._coordinator.grants(time.monotonic()):
            self._deliver(verdict)

    def _hand_out(self) -> None:
        """Let the clerk send what is collected, and give the runs what came of their calls."""
        if self._clerk is None:
            return
        under_way = {run for worker in self._workers for run in worker.runs}
        self._clerk.tick(under_way - self._coordinator.queued)  # they wait for calls of others to end, within the caps
        for note in self._clerk.notes():
            self._listener.hear(Note(None, note))
        for answer in self._clerk.answers():
            self._deliver(answer)
        if self._clerk.problem:
            raise BatchStopped(self._clerk.problem)

    def _deliver(self, answer: OfAttempt) -> None:
        for worker in self._workers:
            if answer.run in worker.runs:
                self._send(worker, answer)

    def _send(self, worker: WorkerProcess, message: object) -> None:
        with suppress(OSError):  # it died; reading from it will tell
            worker.connection.send(message)

    def _tick(self) -> None:
        now = time.monotonic()
        self._listener.tick(self._coordinator.paces(now), self._coordinator.reached, self._coordinator.outages(now))

    def _hear(self, worker: WorkerProcess) -> None:
        try:
            while worker.connection.poll():
                self._take(worker, worker.connection.recv())
        except (EOFError, OSError):
            self._bury(worker)

    def _take(
        self, worker: WorkerProcess, message: PermitRequest | BatchCall | AttemptOutcome | Progress | Note | Ended
    ) -> None:
        now = time.monotonic()
        if isinstance(message, PermitRequest):
            self._coordinator.ask(message)
        elif isinstance(message, AttemptOutcome):
            answer = self._coordinator.end(message, now)
            if answer is not None:
                self._send(worker, answer)
        elif isinstance(message, BatchCall):
            assert self._clerk is not None
            self._clerk.take(message)
        else:
            if isinstance(message, Ended):
                run = worker.runs.pop(message.run)
                is_back = message.run in self._coordinator.given_back and not self._is_stopping
                if message.state == "waiting" and is_back:
                    message = replace(message, state=GIVEN_BACK)
                self._forget([message.run], now)
                message = self._chances.after(message)
                if message.state in (GIVEN_BACK, QUEUED) and not self._is_stopping:
                    self._put_back(run, is_last=message.state == QUEUED)
            self._listener.hear(message)

    def _forget(self, runs: Collection[int], now: float) -> None:
        self._coordinator.forget(runs, now)
        if self._clerk is not None:
            self._clerk.forget(runs)

    def _bury(self, worker: WorkerProcess) -> None:
        """A worker died: its runs continue in another one, and what they held is free."""
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(GRACE_S)
        self._forget(worker.runs, time.monotonic())
        code = worker.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        if worker.runs:
            text = f"a worker process ended ({how}); its {len(worker.runs)} runs continue in another one"
            self._listener.hear(Note(None, text))
        for index, run in worker.runs.items():
            self._crashes[index] += 1
            if self._crashes[index] > MOST_CRASHES:
                reason = f"its worker process ended {self._crashes[index]} times, the last time with {how}"
                self._listener.hear(Ended(index, "failed", reason))
            else:
                self._waiting.appendleft(run)
