"""The coordinator of a sweep on a Ray cluster: an actor, beside the process that talks to Ray, which all runs ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from r2po.llm.outage import Outage
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.messages import (
    LISTED,
    AttemptOutcome,
    Instruction,
    Key,
    Note,
    PermitRequest,
    Progress,
    Verdict,
)

Stranded = dict[str, list[int]]


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
        """Handle what a run says; returns the answer to what it asks."""
        if not isinstance(message, AttemptOutcome):
            self._news.append(message)
            return None
        if message.kind != LISTED:
            self._end_lease(message.key)
        answer = self._coordinator.end(message, time.monotonic())
        self._grant()
        return answer

    async def obey(self, asked: Instruction) -> int:
        """Do from now on what people ask; returns the number of calls under way."""
        self._coordinator.obey(asked)
        self._grant()
        return self._coordinator.under_way

    async def give_back(self, runs: Collection[int]) -> None:
        """These runs end at their next call, since others can use their places."""
        self._coordinator.given_back.update(runs)
        self._grant()

    async def forget(self, run: int) -> None:
        """A run has ended, or starts again because its node was lost: it no longer holds anything."""
        for key in [key for key in (*self._leases, *self._answers) if key[0] == run]:
            self._end_lease(key)
            self._answers.pop(key, None)
        self._coordinator.forget([run], time.monotonic())
        self._grant()

    async def news(self) -> tuple[list[Progress | Note], dict[str, float], Verdict | None, dict[str, Outage], Stranded]:
        """Return what was said since the last time, the paces, the first cap that stopped a run, and the outages.

        The last part are, by outage, the runs that do nothing but wait for its end.
        """
        news, self._news = self._news, []
        now, coordinator = time.monotonic(), self._coordinator
        stranded = {} if coordinator.is_paused else coordinator.stranded()
        return news, coordinator.paces(now), coordinator.reached, coordinator.outages(now), stranded

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
