"""Decides which run may make its call now: a queue, a limiter and a breaker for each provider; the caps of the sweep.

It has neither clock nor threads nor connections: the local pool and the Ray actor wrap it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from r2po.llm.ledger import Amount, Ledger, Obstacle
from r2po.llm.outage import Breaker, Outage
from r2po.sweep.limiter import Attempt, Limiter
from r2po.sweep.messages import (
    ABANDONED,
    ASKED_TO_STOP,
    GIVEN_BACK,
    REFUSED,
    UNANSWERED,
    AttemptOutcome,
    Instruction,
    Key,
    PermitRequest,
    Verdict,
)


@dataclass
class ServerQueue:
    """What the coordinator knows of a server, and who waits for it."""

    limiter: Limiter
    breaker: Breaker
    queue: deque[PermitRequest] = field(default_factory=deque)
    runs: set[int] = field(default_factory=set)
    """Those that have asked, and are not over."""

    def wait_s(self, now: float) -> float | None:
        """Return the seconds until the next attempt may start; None: not before one under way ends."""
        return (self.breaker if self.breaker.is_open else self.limiter).wait_s(now)


class Coordinator:
    """Grants permits; the ledger knows the caps, and what was used so far.

    Outages are waited for up to ``max_outage_s``; with 0, there are none.
    """

    def __init__(self, ledger: Ledger, max_outage_s: float = 0.0) -> None:
        self.ledger = ledger
        self._max_outage_s = max_outage_s
        self.reached: Verdict | None = None
        """The first cap that stopped a run."""
        self.given_back: set[int] = set()
        """Runs that stop at their next call, since fewer are to be under way."""
        self._asked = Instruction()
        self._providers: dict[str, ServerQueue] = {}
        self._under_way: dict[Key, tuple[ServerQueue, Attempt]] = {}

    @property
    def under_way(self) -> int:
        """Number of attempts under way."""
        return len(self._under_way)

    @property
    def is_paused(self) -> bool:
        """Whether no call begins."""
        return self._asked.paused

    @property
    def is_stopping(self) -> bool:
        """Whether each run stops at its next call."""
        return self._asked.stopping

    def obey(self, asked: Instruction) -> None:
        """Do from now on what people ask."""
        self._asked = asked
        self.ledger.set_caps(asked.caps, asked.used)

    def ask(self, ask: PermitRequest) -> None:
        """Queue a request, which ``grants`` answers. Whoever asked the same before is gone, e.g. with its node."""
        self._drop(lambda key: key == ask.key)
        provider = self._provider(ask.provider)
        provider.queue.append(ask)
        provider.runs.add(ask.run)

    def begin_outage(self, name: str, reason: str, now: float) -> None:
        """A provider did not answer at the first contact: its runs wait from the beginning."""
        self._provider(name).breaker.begin(now, reason)

    def _provider(self, name: str) -> ServerQueue:
        if name not in self._providers:
            limiter = Limiter() if name else Limiter(math.inf)
            self._providers[name] = ServerQueue(limiter, Breaker(self._max_outage_s))
        return self._providers[name]

    def end(self, outcome: AttemptOutcome, now: float) -> Verdict | None:
        """An attempt is over; returns whether it belongs to an outage, if it shows a sign of one."""
        if outcome.key not in self._under_way:
            return Verdict(outcome.run, call=outcome.call) if outcome.sign else None
        provider, attempt = self._under_way.pop(outcome.key)
        self.ledger.settle(outcome.key, outcome.used)
        if outcome.kind == REFUSED:
            provider.limiter.refused(attempt, now, outcome.retry_after_s)
        elif outcome.kind == UNANSWERED:
            provider.limiter.unanswered(attempt, now)
        else:
            provider.limiter.ended(attempt, now)
        return self._watch(provider, outcome, now)

    def _watch(self, provider: ServerQueue, outcome: AttemptOutcome, now: float) -> Verdict | None:
        """Learn from the end of an attempt whether the provider is out."""
        breaker, key = provider.breaker, outcome.key
        if outcome.sign is not None:
            alone = provider.runs <= {outcome.run}
            is_out = breaker.sign(key, now, outcome.sign, run=outcome.run, alone=alone)
            return Verdict(outcome.run, call=outcome.call, outage=is_out)
        if outcome.kind == ABANDONED:
            breaker.lost(key, now)
        elif (breaker.slow if outcome.kind == UNANSWERED else breaker.works)(key, now):
            provider.limiter.restart()
        return None

    def forget(self, runs: Iterable[int], now: float) -> None:
        """These runs are gone: drop all that they waited for and held."""
        gone = set(runs)
        for provider in self._providers.values():
            provider.runs -= gone
        self.given_back -= gone
        self._drop(lambda key: key[0] in gone, now)

    def lose(self, key: Key, now: float) -> None:
        """Whoever made this attempt is gone."""
        self._drop(lambda each: each == key, now)

    def _drop(self, is_gone: Callable[[Key], bool], now: float | None = None) -> None:
        for provider in self._providers.values():
            if any(is_gone(ask.key) for ask in provider.queue):
                provider.queue = deque(ask for ask in provider.queue if not is_gone(ask.key))
        for key in filter(is_gone, list(self._under_way)):
            provider, attempt = self._under_way.pop(key)
            self.ledger.settle(key, Amount(1))  # perhaps it was paid for, as ``llm_calls.jsonl`` counts it
            at = attempt.sent_at if now is None else now
            provider.limiter.ended(attempt, at)
            provider.breaker.lost(key, at)

    def grants(self, now: float) -> list[Verdict]:
        """Return the requests that can be answered now."""
        verdicts = list(self._stops())
        for provider in () if self._asked.paused else self._providers.values():
            for ask in self._in_turn(provider):
                verdict = self._verdict(provider, ask, now)
                if verdict is None:
                    break
                provider.queue.remove(ask)
                verdicts.append(verdict)
        return verdicts

    def _in_turn(self, provider: ServerQueue) -> Iterator[PermitRequest]:
        """Yield the requests in their order; those that wait for the budget of their experiment let the others pass."""
        for ask in list(provider.queue):
            if provider.breaker.gave_up or not self.ledger.waits_alone(ask.following, ask.run):
                yield ask

    def _stops(self) -> Iterator[Verdict]:
        """Answer the runs that are to stop at their next call."""
        for provider in self._providers.values():
            stopped = [ask for ask in provider.queue if self._asked.stopping or ask.run in self.given_back]
            for ask in stopped:
                provider.queue.remove(ask)
                reason = ASKED_TO_STOP if self._asked.stopping else GIVEN_BACK
                yield Verdict(ask.run, reason, call=ask.call)

    def wait_s(self, now: float) -> float | None:
        """Return the seconds until ``grants`` may answer more; None: not before something happens."""
        if self._asked.paused:
            return None
        waits = [
            wait
            for provider in self._providers.values()
            if provider.queue
            for wait in [provider.wait_s(now)]
            for ask in [next(self._in_turn(provider), None)]
            if wait is not None and ask is not None and not self.ledger.must_wait(ask.following, ask.run)
        ]
        return min(waits, default=None)

    def paces(self, now: float) -> dict[str, float]:
        """Return the pace, in calls per second, that is kept with each provider that refused calls."""
        rates = {name: provider.limiter.rate(now) for name, provider in self._providers.items()}
        return {name: rate for name, rate in rates.items() if rate is not None}

    def outages(self, now: float) -> dict[str, Outage]:
        """Return the outages that there are now, by provider."""
        found = {name: provider.breaker.outage(now) for name, provider in self._providers.items()}
        return {name: outage for name, outage in found.items() if outage is not None}

    def _verdict(self, provider: ServerQueue, ask: PermitRequest, now: float) -> Verdict | None:
        obstacle = self.ledger.obstacle(ask.following, ask.run)
        if obstacle is not None:
            by = obstacle.whose or "the sweep"
            verdict = Verdict(ask.run, f"{obstacle.reason} by {by}", _option(obstacle), call=ask.call)
            self.reached = self.reached or verdict
            return verdict
        if provider.breaker.gave_up:
            return Verdict(ask.run, call=ask.call, gave_up=provider.breaker.why_given_up)
        if self.ledger.must_wait(ask.following, ask.run) or provider.wait_s(now) != 0:
            return None
        self.ledger.set_aside(ask.key, ask.following)
        self._under_way[ask.key] = (provider, provider.limiter.sent(now))
        if provider.breaker.is_open:
            provider.breaker.probes(ask.key)
        return Verdict(ask.run, call=ask.call, probe=provider.breaker.is_open)


def _option(obstacle: Obstacle) -> str:
    """Return the option that raises a cap far enough; empty if no value would do."""
    if obstacle.enough is None:
        return ""
    value = f"{obstacle.enough:g}" if isinstance(obstacle.enough, float) else str(obstacle.enough)
    return f"--{obstacle.cap.replace('_', '-')} {value}"
