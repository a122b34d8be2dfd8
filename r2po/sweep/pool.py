"""A sweep on this machine: a few worker processes with many waiting runs each.

Rollouts need a core, so there is a process for each; waiting runs need nothing but memory. The first process decides
which call is made when. When it ends, for whatever reason, so do the workers; when a worker ends, its runs continue in
another.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter, deque
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from r2po import cores
from r2po.plugins import loaded_places
from r2po.signals import held_back
from r2po.sweep.control import Answer
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.descriptors import take_over_limit
from r2po.sweep.memory import Memory
from r2po.sweep.messages import (
    GIVEN_BACK,
    AttemptOutcome,
    Ended,
    Instruction,
    Listener,
    Note,
    PermitRequest,
    Progress,
)
from r2po.sweep.outages import first_to_start
from r2po.sweep.plan import PlannedRun
from r2po.sweep.second_chance import QUEUED, SecondChances
from r2po.sweep.worker import work

MOST_CRASHES = 5
"""How many crashes of its worker process a run survives: the run may be what causes them."""
TICK_S = 0.25
GRACE_S = 1.0
SETTLE_S = 10.0
"""How long after the last call runs may take to come to their next one, when a stop was asked for."""


@dataclass(eq=False)
class _WorkerProcess:
    process: SpawnProcess
    connection: Connection[Any, Any]
    runs: dict[int, PlannedRun] = field(default_factory=dict)


class Pool:
    """Makes runs in some worker processes, no more than ``jobs`` at once, which share the cores evenly.

    With a ``memory``, there are no more than fit into it either.
    """

    def __init__(
        self, coordinator: Coordinator, listener: Listener, *, workers: int, jobs: int, memory: Memory | None = None
    ) -> None:
        self._coordinator = coordinator
        self._listener = listener
        self._size = workers
        self._jobs = jobs
        self._memory = memory
        self._settled_since: float | None = None
        self._is_stopping = False
        self._share = max(1, cores.available() // jobs)
        self._workers: list[_WorkerProcess] = []
        self._waiting: deque[PlannedRun] = deque()
        self._begun: dict[int, int] = {}
        self._crashes = Counter[int]()
        self._chances = SecondChances()

    def run(self, runs: Iterable[PlannedRun]) -> None:
        """Make all runs."""
        self._waiting = deque(runs)
        ticked = time.monotonic()
        try:
            while self._goes_on:
                self._start_runs()
                self._grant()
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
            self._start_none()
        if jobs is not None and jobs != self._jobs:
            self._memory = None  # that many are asked for
            self._jobs = jobs
        self._size = workers
        for worker in self._workers:
            take_over_limit(worker.process.pid)
        started = [index for worker in self._workers for index in worker.runs]
        too_many = max(0, len(started) - self._jobs)
        self._coordinator.given_back = self._begun_last(too_many)
        return Answer("", self._coordinator.under_way, len(started), too_many)

    def _begun_last(self, count: int) -> set[int]:
        """Return so many of the runs that are under way."""
        started = [index for worker in self._workers for index in worker.runs]
        return set(sorted(started, key=lambda index: self._begun[index], reverse=True)[: max(0, count)])

    @property
    def waiting(self) -> set[int]:
        """Runs that are not under way yet."""
        return {run.index for run in self._waiting}

    def leave_out(self, runs: Collection[int]) -> None:
        """Start none of these runs."""
        self._waiting = deque(run for run in self._waiting if run.index not in runs)

    def _start_none(self) -> None:
        """Start no run any more."""
        self._waiting.clear()

    def _may_stop(self) -> bool:
        """Whether a stop was asked for, and all replies are on record: runs that only roll out are not waited for."""
        if not self._is_stopping or self._coordinator.under_way:
            self._settled_since = None
            return False
        now = time.monotonic()
        self._settled_since = self._settled_since or now
        return now - self._settled_since > SETTLE_S

    def close(self) -> None:
        """End the workers, whatever they are doing: logs are safe at any moment."""
        for worker in self._workers:
            worker.connection.close()
        deadline = time.monotonic() + GRACE_S
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    @property
    def _goes_on(self) -> bool:
        return (self._is_any_left or self._under_way > 0) and not self._may_stop()

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
        while self._is_any_left and self._under_way < self._most and not self._coordinator.is_paused:
            run = self._next()
            if run is None:
                break
            if len(self._workers) < self._size:
                self._workers.append(_spawn(self._share))
            worker = min(self._workers, key=lambda each: len(each.runs))
            worker.runs[run.index] = run
            self._begun[run.index] = len(self._begun)
            self._send(worker, run)

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
            for worker in self._workers:
                if verdict.run in worker.runs:
                    self._send(worker, verdict)

    def _send(self, worker: _WorkerProcess, message: object) -> None:
        with suppress(OSError):  # it died; reading from it will tell
            worker.connection.send(message)

    def _tick(self) -> None:
        now = time.monotonic()
        self._listener.tick(self._coordinator.paces(now), self._coordinator.reached, self._coordinator.outages(now))

    def _hear(self, worker: _WorkerProcess) -> None:
        try:
            while worker.connection.poll():
                self._take(worker, worker.connection.recv())
        except (EOFError, OSError):
            self._bury(worker)

    def _take(self, worker: _WorkerProcess, message: PermitRequest | AttemptOutcome | Progress | Note | Ended) -> None:
        now = time.monotonic()
        if isinstance(message, PermitRequest):
            self._coordinator.ask(message)
        elif isinstance(message, AttemptOutcome):
            answer = self._coordinator.end(message, now)
            if answer is not None:
                self._send(worker, answer)
        else:
            if isinstance(message, Ended):
                run = worker.runs.pop(message.run)
                if message.state == "waiting" and message.run in self._coordinator.given_back:
                    message = replace(message, state=GIVEN_BACK)
                self._coordinator.forget([message.run], now)
                message = self._chances.after(message)
                if message.state in (GIVEN_BACK, QUEUED) and not self._is_stopping:
                    self._put_back(run, is_last=message.state == QUEUED)
            self._listener.hear(message)

    def _bury(self, worker: _WorkerProcess) -> None:
        """A worker died: its runs continue in another one, and what they held is free."""
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(GRACE_S)
        self._coordinator.forget(worker.runs, time.monotonic())
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


def _spawn(share: int) -> _WorkerProcess:
    # Not a fork: a worker must not hold the other workers' connections, or they would not notice that the sweep ended.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, share, loaded_places()), name="r2po-worker", daemon=True)
    # Starting it lets signals through, which would end the hold below.
    resource_tracker.ensure_running()
    with held_back():  # until the worker has said what signals mean to it
        process.start()
    theirs.close()
    return _WorkerProcess(process, ours)
