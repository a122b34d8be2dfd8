"""A sweep on this machine: a few worker processes with many waiting runs each.

Rollouts need a core, so there is a process for each; waiting runs need nothing but memory. The first process decides
which call is made when. When it ends, for whatever reason, so do the workers; when a worker ends, its runs continue in
another.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from r2po import cores
from r2po.plugins import loaded_places
from r2po.signals import held_back
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.messages import AttemptOutcome, Ended, Listener, Note, PermitRequest, Progress
from r2po.sweep.plan import PlannedRun
from r2po.sweep.worker import work

MOST_CRASHES = 5
"""How many crashes of its worker process a run survives: the run may be what causes them."""
TICK_S = 0.25
GRACE_S = 1.0
RUN_BYTES = 30 * 2**20
"""A run with the 20 environments that it steps at once, of the largest kind: 21 MB on Swimmer, 0.1 MB on Nim."""
WORKER_BYTES = 200 * 2**20
"""A worker process before its first run."""
SHARE = 0.8
"""Part of the available memory that a sweep takes."""


@dataclass(eq=False)
class _WorkerProcess:
    process: SpawnProcess
    connection: Connection[Any, Any]
    runs: dict[int, PlannedRun] = field(default_factory=dict)


class Pool:
    """Makes runs in some worker processes, no more than ``jobs`` at once, which share the cores evenly."""

    def __init__(self, coordinator: Coordinator, listener: Listener, *, workers: int, jobs: int) -> None:
        self._coordinator = coordinator
        self._listener = listener
        self._size = workers
        self._jobs = jobs
        self._share = max(1, cores.available() // jobs)
        self._workers: list[_WorkerProcess] = []
        self._waiting: deque[PlannedRun] = deque()
        self._crashes = Counter[int]()

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
        return bool(self._waiting or self._under_way)

    @property
    def _under_way(self) -> int:
        return sum(len(worker.runs) for worker in self._workers)

    def _start_runs(self) -> None:
        while self._waiting and self._under_way < self._jobs:
            run = self._waiting.popleft()
            if len(self._workers) < self._size:
                self._workers.append(_spawn(self._share))
            worker = min(self._workers, key=lambda each: len(each.runs))
            worker.runs[run.index] = run
            self._send(worker, run)

    def _grant(self) -> None:
        for verdict in self._coordinator.grants(time.monotonic()):
            for worker in self._workers:
                if verdict.run in worker.runs:
                    self._send(worker, verdict)

    def _send(self, worker: _WorkerProcess, message: object) -> None:
        with suppress(OSError):  # it died; reading from it will tell
            worker.connection.send(message)

    def _tick(self) -> None:
        self._listener.tick(self._coordinator.paces(time.monotonic()), self._coordinator.reached)

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
            self._coordinator.end(message, now)
        else:
            if isinstance(message, Ended):
                del worker.runs[message.run]
                self._coordinator.forget([message.run], now)
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


def fitting_runs(workers: int) -> int:
    """Return how many runs fit into the memory that is available, at least one."""
    return max(1, int((_available_bytes() * SHARE - workers * WORKER_BYTES) // RUN_BYTES))


def _available_bytes() -> int:
    """Return the memory that is available within the limits of a container or a batch job (control groups)."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found.append(int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024)
    for limit, current in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # no such control group, or "max"
            found.append(int(Path(limit).read_text()) - int(Path(current).read_text()))
    return max(min(found), 0)


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
