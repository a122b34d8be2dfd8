"""A sweep on this machine: a few worker processes with many waiting runs each.

Rollouts need a core, so there is a process for each; waiting runs need nothing but memory. The first process decides
which call is made when. If it ends, however it ends, so do the workers; if a worker ends, its runs go on in another.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from r2po.signals import held_back
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.messages import Ask, Ended, Note, Outcome, Progress, Task
from r2po.sweep.worker import work

MOST_CRASHES = 5
"""Ends of worker processes that a run survives: perhaps it is the run that ends them."""
TICK_S = 0.25
GRACE_S = 1.0


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    connection: Connection[Any, Any]
    tasks: dict[int, Task] = field(default_factory=dict)


class Pool:
    """Makes runs in worker processes.

    Args:
        coordinator: Decides about calls.
        workers: Number of processes.
        jobs: Largest number of runs under way.
        on_progress: Told where a run stands.
        on_end: Told how a run ended.
        on_note: Told what a run finds worth a line.
        on_crash: Told that a worker process ended.
        on_tick: Called a few times a second.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        *,
        workers: int,
        jobs: int,
        on_progress: Callable[[Progress], None],
        on_end: Callable[[Ended], None],
        on_note: Callable[[Note], None],
        on_crash: Callable[[str], None],
        on_tick: Callable[[], None],
    ) -> None:
        self._coordinator = coordinator
        self._size = workers
        self._jobs = jobs
        self._on_progress = on_progress
        self._on_end = on_end
        self._on_note = on_note
        self._on_crash = on_crash
        self._on_tick = on_tick
        self._workers: list[_Worker] = []
        self._waiting: deque[Task] = deque()
        self._crashes: dict[int, int] = {}

    def run(self, tasks: Iterable[Task]) -> None:
        """Make all runs."""
        self._waiting = deque(tasks)
        ticked = time.monotonic()
        try:
            while self._waiting or self._under_way:
                self._start_runs()
                self._grant()
                due = self._coordinator.wait_s(time.monotonic())
                for connection in wait(
                    [worker.connection for worker in self._workers], TICK_S if due is None else min(due, TICK_S)
                ):
                    self._hear(next(worker for worker in self._workers if worker.connection is connection))
                if time.monotonic() - ticked >= TICK_S:
                    ticked = time.monotonic()
                    self._on_tick()
        finally:
            self.close()

    def close(self) -> None:
        """End the workers, wherever they stand: logs are safe at any moment."""
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
    def processes(self) -> list[int]:
        """Ids of the worker processes."""
        return [worker.process.pid for worker in self._workers if worker.process.pid]

    @property
    def _under_way(self) -> int:
        return sum(len(worker.tasks) for worker in self._workers)

    def _start_runs(self) -> None:
        while self._waiting and self._under_way < self._jobs:
            task = self._waiting.popleft()
            if len(self._workers) < self._size:
                self._workers.append(_spawn())
            worker = min(self._workers, key=lambda each: len(each.tasks))
            worker.tasks[task.run] = task
            self._send(worker, task)

    def _grant(self) -> None:
        for verdict in self._coordinator.grants(time.monotonic()):
            for worker in self._workers:
                if verdict.run in worker.tasks:
                    self._send(worker, verdict)

    def _send(self, worker: _Worker, message: object) -> None:
        with suppress(OSError):  # it died; reading from it will tell
            worker.connection.send(message)

    def _hear(self, worker: _Worker) -> None:
        try:
            while worker.connection.poll():
                self._take(worker, worker.connection.recv())
        except (EOFError, OSError):
            self._bury(worker)

    def _take(self, worker: _Worker, message: object) -> None:
        now = time.monotonic()
        if isinstance(message, Ask):
            self._coordinator.ask(message)
        elif isinstance(message, Outcome):
            self._coordinator.end(message, now)
        elif isinstance(message, Progress):
            self._on_progress(message)
        elif isinstance(message, Note):
            self._on_note(message)
        elif isinstance(message, Ended):
            del worker.tasks[message.run]
            self._coordinator.forget([message.run], now)
            self._on_end(message)

    def _bury(self, worker: _Worker) -> None:
        """A worker died: its runs go on in another one, and what they held is free."""
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(GRACE_S)
        self._coordinator.forget(worker.tasks, time.monotonic())
        code = worker.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        if worker.tasks:
            self._on_crash(f"a worker process ended ({how}); its {len(worker.tasks)} runs go on in another one")
        for run, task in worker.tasks.items():
            self._crashes[run] = self._crashes.get(run, 0) + 1
            if self._crashes[run] > MOST_CRASHES:
                self._on_end(
                    Ended(run, f"its worker process ended {self._crashes[run]} times, the last time with {how}")
                )
            else:
                self._waiting.appendleft(task)


def _spawn() -> _Worker:
    # Not a fork: a worker must not hold the other workers' connections, or they would not notice that all is over.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs,), name="r2po-worker", daemon=True)
    # Starting it lets signals through, which would end the hold below.
    resource_tracker.ensure_running()
    with held_back():  # until the worker has said what signals mean to it
        process.start()
    theirs.close()
    return _Worker(process, ours)
