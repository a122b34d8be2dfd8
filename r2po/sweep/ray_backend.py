"""A sweep on a Ray cluster: a run is a Ray task, the coordinator an actor beside the process that started the sweep.

If a node is lost, Ray restarts its tasks elsewhere; they resume their run directories, which are on a shared path.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from r2po import cores
from r2po.errors import InputError
from r2po.installation import install
from r2po.llm.outage import Outage
from r2po.plugins import Place, load_places, loaded_places
from r2po.sweep.control import Answer
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.messages import (
    AttemptOutcome,
    Ended,
    Instruction,
    Key,
    Listener,
    Note,
    PermitRequest,
    Progress,
    Verdict,
)
from r2po.sweep.outages import first_to_start
from r2po.sweep.plan import PlannedRun
from r2po.sweep.second_chance import QUEUED, SecondChances

TICK_S = 0.5
STALE_LOCK_S = 300.0
"""How long a resumed run waits for the lock of a lost node: file servers keep it for a while."""
LEASE_S = 60.0
"""How long after a call's time limit its permit is free again: its node was lost."""


def require_ray() -> Any:
    """Return Ray.

    Raises:
        InputError: It is not installed.
    """
    try:
        import ray
    except ImportError:
        raise InputError(f"--ray needs Ray: {install('ray')}") from None
    return ray


class Clerk:
    """The coordinator as a Ray actor, asked by all tasks. One event loop runs it, so no method interrupts another."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._answers: dict[Key, tuple[asyncio.Future[Verdict], float]] = {}
        self._leases: dict[Key, asyncio.TimerHandle] = {}
        self._news: list[Progress | Note] = []
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, ask: PermitRequest, lease_s: float) -> Verdict:
        """Answer when an attempt may be made."""
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._answers[ask.key] = answer, lease_s
        self._end_lease(ask.key)
        self._coordinator.ask(ask)
        self._grant()
        return await answer

    async def tell(self, message: AttemptOutcome | Progress | Note) -> Verdict | None:
        """Handle what a run says; returns the answer to a sign of an outage."""
        if not isinstance(message, AttemptOutcome):
            self._news.append(message)
            return None
        self._end_lease(message.key)
        answer = self._coordinator.end(message, time.monotonic())
        self._grant()
        return answer

    async def obey(self, asked: Instruction) -> int:
        """Do from now on what people ask; returns the number of calls under way."""
        self._coordinator.obey(asked)
        self._grant()
        return self._coordinator.under_way

    async def forget(self, run: int) -> None:
        """A run has ended, or starts again because its node was lost: it no longer holds anything."""
        for key in [key for key in (*self._leases, *self._answers) if key[0] == run]:
            self._end_lease(key)
            self._answers.pop(key, None)
        self._coordinator.forget([run], time.monotonic())
        self._grant()

    async def news(self) -> tuple[list[Progress | Note], dict[str, float], Verdict | None, dict[str, Outage]]:
        """Return what was said since the last time, the paces, the first cap that stopped a run, and the outages."""
        news, self._news = self._news, []
        now = time.monotonic()
        return news, self._coordinator.paces(now), self._coordinator.reached, self._coordinator.outages(now)

    def _grant(self) -> None:
        now = time.monotonic()
        loop = asyncio.get_running_loop()
        for verdict in self._coordinator.grants(now):
            answer, lease_s = self._answers.pop(verdict.key)
            if not answer.done():
                answer.set_result(verdict)
            self._leases[verdict.key] = loop.call_later(lease_s, self._expire, verdict.key)
        if self._timer is not None:
            self._timer.cancel()
        due = self._coordinator.wait_s(now)
        self._timer = None if due is None else loop.call_later(due, self._grant)

    def _end_lease(self, key: Key) -> None:
        if key in self._leases:
            self._leases.pop(key).cancel()

    def _expire(self, key: Key) -> None:
        del self._leases[key]
        self._coordinator.lose(key, time.monotonic())
        self._grant()


class _Channel:
    """Connects a task to the clerk."""

    def __init__(self, clerk: Any, lease_s: float) -> None:
        self._ray = require_ray()
        self._clerk = clerk
        self._lease_s = lease_s

    def ask(self, ask: PermitRequest | AttemptOutcome) -> Verdict:
        told = isinstance(ask, AttemptOutcome)
        verdict = self._ray.get(self._clerk.tell.remote(ask) if told else self._clerk.ask.remote(ask, self._lease_s))
        assert isinstance(verdict, Verdict)
        return verdict

    def tell(self, message: AttemptOutcome | Progress | Note) -> None:
        self._clerk.tell.remote(message)


def make_run_on_node(
    run: PlannedRun, clerk: Any, folder: str, share: int, plugins: Sequence[tuple[Place, bool]]
) -> Ended:
    """Make a run, on whatever node this is, in the sweep's folder: relative paths and ``.env`` mean the same there.

    Its plugins are loaded first, from the same places as in the process that started the sweep. Each evaluation uses at
    most ``share`` cores.
    """
    cores.limit(share)
    from r2po.config.environ import read_environ
    from r2po.sweep.runner import make_run

    try:
        os.chdir(folder)
    except OSError as error:
        reason = f"{folder} is not on this node ({error.strerror}): a sweep needs a shared path"
        return Ended(run.index, "failed", reason)
    try:
        load_places(plugins)
    except InputError as error:
        return Ended(run.index, "failed", str(error))
    require_ray().get(clerk.forget.remote(run.index))
    return make_run(run, read_environ(), _Channel(clerk, run.config.llm_timeout_s + LEASE_S), STALE_LOCK_S)


class RayBackend:
    """Makes runs on a Ray cluster.

    Args:
        address: Of the cluster, or "auto".
        cpus_per_run: Cores that are set aside for a run.
        jobs: Largest number of runs under way; None for as many as the cores allow.
    """

    def __init__(
        self, coordinator: Coordinator, listener: Listener, *, address: str, cpus_per_run: float, jobs: int | None
    ) -> None:
        self._ray = require_ray()
        self._coordinator = coordinator
        self._listener = listener
        self._address = address
        self._cpus_per_run = cpus_per_run
        self._jobs = jobs
        self._chances = SecondChances()
        self._out: set[str] = set()
        self._clerk: Any = None
        self._asked: Instruction | None = None
        self._waiting: list[PlannedRun] = []
        self._under_way: dict[Any, PlannedRun] = {}

    def obey(self, asked: Instruction, jobs: int | None, _workers: int) -> Answer:
        """Do from now on what people ask; of runs under way that are too many, all go on to their ends."""
        self._asked, self._jobs = asked, jobs
        calls = 0 if self._clerk is None else self._ray.get(self._clerk.obey.remote(asked))
        return Answer("", calls, len(self._under_way))

    @property
    def waiting(self) -> set[int]:
        """Runs that are not under way yet."""
        return {run.index for run in self._waiting}

    def leave_out(self, runs: Collection[int]) -> None:
        """Start none of these runs."""
        self._waiting[:] = [run for run in self._waiting if run.index not in runs]

    @property
    def _is_paused(self) -> bool:
        return self._asked is not None and self._asked.paused

    @property
    def _is_stopping(self) -> bool:
        return self._asked is not None and self._asked.stopping

    def run(self, runs: Sequence[PlannedRun]) -> None:
        """Make all runs."""
        ray = self._ray
        try:
            ray.init(address=self._address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(
                f"cannot reach the Ray cluster {self._address!r}: {' '.join(str(error).split())}"
            ) from None
        try:
            self._run(runs)
        finally:
            ray.shutdown()

    def _run(self, runs: Sequence[PlannedRun]) -> None:
        ray = self._ray
        clerk = self._clerk = (
            ray.remote(Clerk)
            .options(num_cpus=0, max_concurrency=100_000, scheduling_strategy=self._here())
            .remote(self._coordinator)
        )
        make = ray.remote(make_run_on_node).options(
            num_cpus=self._cpus_per_run, max_retries=-1, scheduling_strategy="SPREAD"
        )
        if self._asked is not None:
            clerk.obey.remote(self._asked)
        waiting, under_way = self._waiting, self._under_way
        waiting += runs
        while (waiting and not self._is_stopping) or under_way:
            while (
                waiting
                and not self._is_stopping
                and not self._is_paused
                and (self._jobs is None or len(under_way) < self._jobs)
            ):
                run = waiting.pop(first_to_start(waiting, self._out))
                share = max(1, int(self._cpus_per_run))
                under_way[make.remote(run, clerk, str(Path.cwd()), share, loaded_places())] = run
            done: Sequence[Any] = ()
            if under_way:
                done, _ = ray.wait(list(under_way), num_returns=len(under_way), timeout=TICK_S)
            else:  # paused
                time.sleep(TICK_S)
            self._take_news(clerk)
            for each in done:
                run = under_way.pop(each)
                if self._finish(clerk, each, run) == QUEUED:
                    waiting.append(run)
        self._take_news(clerk)

    def _take_news(self, clerk: Any) -> None:
        news, paces, reached, outages = self._ray.get(clerk.news.remote())
        for message in news:
            self._listener.hear(message)
        self._out = set(outages)
        self._listener.tick(paces, reached, outages)

    def _finish(self, clerk: Any, reference: Any, run: PlannedRun) -> str:
        """Say how a run ended; returns its state."""
        try:
            ended = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            ended = Ended(run.index, "failed", f"Ray: {' '.join(str(error).split())[:300]}")
        clerk.forget.remote(run.index)
        ended = self._chances.after(ended)
        self._listener.hear(ended)
        return ended.state

    def _here(self) -> Any:
        """Keep the clerk on this node, so that it is lost only with the sweep itself."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=False)
