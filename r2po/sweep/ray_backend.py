"""A sweep on a Ray cluster: a run is a Ray task, the coordinator an actor beside a process that talks to Ray.

That process is a child of the one that started the sweep and decides what is started where: Ray's C++ ends a process
that has lost the cluster, and Ray would start more runs than there are cores. If a node is lost, its runs resume their
run directories on others; if the head is lost, the sweep ends with one line, and the same command continues it.
"""

from __future__ import annotations

import multiprocessing
import re
import time
from collections import Counter, deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.signals import held_back
from r2po.sweep.cluster.driver import Connected, Failed, GiveBack, Obeyed, Order, Report, Start, drive
from r2po.sweep.cluster.giving_way import GivingWay
from r2po.sweep.cluster.head import answers
from r2po.sweep.cluster.needs import needs_of
from r2po.sweep.cluster.node import require_ray
from r2po.sweep.cluster.slots import Losses, Node, next_node, slots
from r2po.sweep.cluster.token import token_in
from r2po.sweep.control import Answer
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.endings import SweepStopped
from r2po.sweep.messages import GIVEN_BACK, Ended, Instruction, Listener, Note, Progress
from r2po.sweep.outages import first_to_start
from r2po.sweep.plan import PlannedRun
from r2po.sweep.second_chance import QUEUED, SecondChances

__all__ = ["RayBackend", "require_ray"]

TICK_S = 0.5
CHECK_S = 1.0
"""How often the head of the cluster is looked at."""
HEAD_S = 15.0
"""How long the head may not answer: a restarted one may come back, and after a minute Ray's C++ ends the process."""
STALLED_S = 120.0
"""How long the process that talks to Ray may say nothing: then it waits for an answer that does not come."""
REST_S = 30.0
"""How long a node gets no run after it has lost one: it may take Ray so long to notice that all of it is lost."""
CONNECT_S = 90.0
"""How long it may take to connect to the cluster; Ray itself would wait for minutes."""
GRACE_S = 3.0


class RayBackend:
    """Makes runs on a Ray cluster.

    Args:
        folder: The sweep's folder, among its logs: on nodes that do not see it, runs work on copies.
        address: Of the cluster, or "auto".
        cpus_per_run: Cores that are set aside for a run.
        jobs: Largest number of runs under way; None for as many as the cores allow.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        listener: Listener,
        folder: Path,
        address: str,
        cpus_per_run: float,
        jobs: int | None,
    ) -> None:
        require_ray()
        self._coordinator = coordinator
        self._listener = listener
        self._folder = folder
        self._address = address
        self._cpus_per_run = cpus_per_run
        self._jobs = jobs
        self._chances = SecondChances()
        self._losses = Losses()
        self._giving_way = GivingWay()
        self._out: set[str] = set()
        self._asked: Instruction | None = None
        self._waiting: list[PlannedRun] = []
        self._under_way: dict[int, tuple[PlannedRun, str]] = {}
        self._nodes: Sequence[Node] = ()
        self._resting: dict[str, float] = {}
        self._refused: list[str] = []
        self._was_usable = False
        self._head = ""
        self._heard_at = self._head_at = self._checked_at = time.monotonic()
        self._pending: deque[Any] = deque()
        self._connection: Connection[Any, Any] | None = None
        self._process: SpawnProcess | None = None

    def obey(self, asked: Instruction, jobs: int | None, _workers: int) -> Answer:
        """Do from now on what people ask; of runs under way that are too many, all go on to their ends."""
        self._asked, self._jobs = asked, jobs
        if asked.stopping:
            self._waiting.clear()
        return Answer("", self._told_to_obey(asked), len(self._under_way))

    @property
    def waiting(self) -> set[int]:
        """Runs that are not under way yet."""
        return {run.index for run in self._waiting}

    def leave_out(self, runs: Collection[int]) -> None:
        """Start none of these runs."""
        self._waiting[:] = [run for run in self._waiting if run.index not in runs]

    def run(self, runs: Sequence[PlannedRun]) -> None:
        """Make all runs.

        Raises:
            InputError: The cluster cannot be reached, or none of its nodes can make runs; none is started.
            SweepStopped: The cluster is gone.
        """
        if re.fullmatch(r"[^/]+:\d+", self._address) and not answers(self._address):
            raise InputError(f"cannot use the Ray cluster {self._address!r}: there is no connection to that address")
        self._waiting += runs
        with token_in(self._folder) as token:
            try:
                self._spawn(token)
                while self._waiting or self._under_way:
                    self._start_runs()
                    self._take(self._receive())
                    self._check_head()
            finally:
                self._close()

    def _spawn(self, token: Path) -> None:
        # As a worker process: one that was forked would keep this end of the connection open.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        needs = needs_of(self._waiting)
        order = Order(self._address, self._cpus_per_run, str(token), needs, self._coordinator, self._asked)
        self._process = context.Process(target=drive, args=(theirs, order), name="r2po-ray", daemon=True)
        resource_tracker.ensure_running()
        with held_back():
            self._process.start()
        theirs.close()
        self._heard_at = self._head_at = time.monotonic()

    def _start_runs(self) -> None:
        now = time.monotonic()
        resting = [node for node, until in self._resting.items() if until > now]
        while self._waiting and not self._is_paused and (self._jobs is None or len(self._under_way) < self._jobs):
            load = Counter(node for _, node in self._under_way.values())
            node = next_node(self._nodes, load, self._cpus_per_run, resting)
            if node is None:
                return
            run = self._waiting.pop(first_to_start(self._waiting, self._out))
            self._under_way[run.index] = run, node.id
            self._giving_way.began(run.index)
            self._send(Start(run, node.id))

    @property
    def _is_paused(self) -> bool:
        return self._asked is not None and self._asked.paused

    def _give_places(self, report: Report) -> None:
        """Take back runs that only wait for a server that is out, for as many others that find no place."""
        if self._asked is not None and (self._asked.paused or self._asked.stopping):
            return
        ready = sum(run.servers.isdisjoint(self._out) for run in self._waiting)
        places = sum(slots(node.cpus, self._cpus_per_run) for node in self._nodes)
        places = places if self._jobs is None else min(places, self._jobs)
        if going := self._giving_way.who(report.stranded, self._under_way, ready, places):
            self._send(GiveBack(going))

    def _told_to_obey(self, asked: Instruction) -> int:
        """Pass on what people ask; returns the number of calls under way."""
        if not self._head:
            return 0  # it learns that when it starts
        self._send(asked)
        while not isinstance(message := self._receive(), Obeyed):
            if message is not None:
                self._pending.append(message)
            self._check_head()
        return message.calls

    def _send(self, message: Start | GiveBack | Instruction) -> None:
        assert self._connection is not None
        with suppress(OSError):  # it is gone; reading from it will tell
            self._connection.send(message)

    def _receive(self) -> Any:
        """Return what the driver says next; None if it says nothing for a while."""
        assert self._connection is not None
        try:
            message = self._connection.recv() if self._connection.poll(TICK_S) else None
        except (EOFError, OSError):
            raise self._gone(self._how_it_ended()) from None
        if message is not None:
            self._heard_at = time.monotonic()
        return message

    def _how_it_ended(self) -> str:
        assert self._process is not None
        self._process.join(GRACE_S)
        code = self._process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return f"Ray has ended the process that talks to it ({how}), as it does when it has lost its node or the head"

    def _check_head(self) -> None:
        """End the sweep if the head does not answer any more, before Ray's C++ does that."""
        now = time.monotonic()
        if now - self._checked_at < CHECK_S:
            return
        self._checked_at = now
        if not self._head or answers(self._head):
            self._head_at = now
        elif now - self._head_at > HEAD_S:
            raise self._gone(f"its head has not answered for {now - self._head_at:.0f} s")
        if not self._head and now - self._heard_at > CONNECT_S:
            raise InputError(f"cannot use the Ray cluster {self._address!r}: no connection within {CONNECT_S:g} s")
        if now - self._heard_at > STALLED_S:
            raise self._gone(f"it has said nothing for {now - self._heard_at:.0f} s")

    def _gone(self, how: str) -> SweepStopped:
        return SweepStopped(f"the Ray cluster {self._head or self._address} is lost: {how}", events=("failed",))

    def _take(self, message: Connected | Failed | Obeyed | Report | None) -> None:
        if isinstance(message, Connected):
            self._head, self._head_at = message.head, time.monotonic()
        elif isinstance(message, Failed):
            if message.is_setup:
                raise InputError(message.reason)
            raise self._gone(message.reason)
        elif isinstance(message, Report):
            self._take_report(message)
            while self._pending:
                self._take(self._pending.popleft())

    def _take_report(self, report: Report) -> None:
        self._nodes = report.nodes
        self._was_usable = self._was_usable or bool(report.nodes)
        for node, obstacle in report.refused:
            self._refused.append(f"node {node.name}: {obstacle}")
            self._listener.hear(Note(None, f"no runs on {self._refused[-1]}"))
        for node, why in report.copying:
            text = f"runs on node {node.name} work on copies, and all they record is written here at once: {why}"
            self._listener.hear(Note(None, text))
        if self._refused and not self._was_usable and not report.pending:
            raise InputError(f"no node of the Ray cluster can make runs ({self._refused[0]})")
        for message in report.news:
            if isinstance(message, Progress):
                self._losses.progress(message.run, message.iterations)
            self._listener.hear(message)
        self._out = set(report.outages)
        if report.lost:
            how = report.lost[0][1]
            text = f"Ray lost {len(report.lost)} runs with their nodes or processes; they continue in others ({how})"
            self._listener.hear(Note(None, text))
        for run, how in report.lost:
            self._lose(run, how)
        for ended in report.ended:
            self._finish(ended)
        self._give_places(report)
        self._listener.tick(report.paces, report.reached, report.outages)

    def _finish(self, ended: Ended) -> None:
        run, _ = self._under_way.pop(ended.run)
        gave_way = self._giving_way.ended(ended.run) and not (self._asked is not None and self._asked.stopping)
        if ended.state == "waiting" and gave_way:
            self._waiting.insert(0, run)
            ended = replace(ended, state=GIVEN_BACK)
        ended = self._chances.after(ended)
        if ended.state == QUEUED:
            self._waiting.append(run)
        self._listener.hear(ended)

    def _lose(self, index: int, how: str) -> None:
        """A run was lost with its process or its node: it continues on another one, or there after a while."""
        run, node = self._under_way.pop(index)
        self._giving_way.ended(index)
        self._resting[node] = time.monotonic() + REST_S
        if self._losses.are_too_many(index):
            self._listener.hear(Ended(index, "failed", f"Ray lost it again and again: {how}"))
        elif self._asked is not None and self._asked.stopping:
            self._listener.hear(Ended(index, "waiting"))
        else:
            self._waiting.insert(0, run)
            self._listener.hear(Ended(index, GIVEN_BACK))

    def _close(self) -> None:
        """End the driver; runs under way that hear of it end at their next call, the others with Ray."""
        if self._connection is None or self._process is None:
            return
        self._send(Instruction(stopping=True))
        self._connection.close()
        self._process.join(GRACE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
