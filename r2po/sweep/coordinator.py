"""Decides which run may make its call now: by the queue and the limiter of a server, the breaker of a model, the caps.

It has neither clock nor threads nor connections: the local pool and the Ray actor wrap it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from r2po.llm.ledger import Amount, Ledger, Obstacle
from r2po.llm.outage import Breaker, Outage, Target
from r2po.sweep.limiter import Attempt, Limiter
from r2po.sweep.messages import (
    ABANDONED,
    ASKED_TO_STOP,
    GIVEN_BACK,
    LISTED,
    REFUSED,
    UNANSWERED,
    AttemptOutcome,
    Instruction,
    Key,
    PermitRequest,
    Verdict,
)


@dataclass
class _Model:
    breaker: Breaker
    runs: set[int] = field(default_factory=set)
    """Those that have asked for it, and are not over."""


@dataclass
class ServerQueue:
    """What the coordinator knows of a server, and who waits for it."""

    limiter: Limiter
    models: dict[str, _Model] = field(default_factory=dict)
    queue: deque[PermitRequest] = field(default_factory=deque)

    def wait_s(self, model: str, now: float) -> float | None:
        """Return the seconds until a model may be asked; None: not before an attempt under way ends."""
        breaker = self.models[model].breaker
        return (breaker if breaker.is_open else self.limiter).wait_s(now)


@dataclass
class _UnderWay:
    provider: ServerQueue
    model: _Model
    attempt: Attempt
    is_free: bool
    """Whether it only asks for the list of models, which costs nothing."""


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
        self.leaving: set[int] = set()
        """Those of them that were told so, and have not ended yet: no later word reaches them."""
        self._asked = Instruction()
        self._providers: dict[str, ServerQueue] = {}
        self._under_way: dict[Key, _UnderWay] = {}

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
        provider, model = self._asked_for(ask.target)
        provider.queue.append(ask)
        model.runs.add(ask.run)

    def begin_outage(self, target: Target, reason: str, now: float) -> None:
        """A provider did not answer at the first contact: its runs wait from the beginning."""
        self._asked_for(target)[1].breaker.begin(now, reason)

    def _asked_for(self, target: Target) -> tuple[ServerQueue, _Model]:
        provider = self._provider(target.address)
        if target.model not in provider.models:
            provider.models[target.model] = _Model(Breaker(self._max_outage_s))
        return provider, provider.models[target.model]

    def _provider(self, name: str) -> ServerQueue:
        if name not in self._providers:
            self._providers[name] = ServerQueue(Limiter() if name else Limiter(math.inf))
        return self._providers[name]

    def end(self, outcome: AttemptOutcome, now: float) -> Verdict | None:
        """An attempt is over; returns whether it belongs to an outage, if it shows a sign of one.

        A probe whose list was answered is not over, but may be paid for now.
        """
        if outcome.kind == LISTED:
            if outcome.key in self._under_way:
                self._under_way[outcome.key].is_free = False
            return Verdict(outcome.run, call=outcome.call)
        if outcome.key not in self._under_way:
            return Verdict(outcome.run, call=outcome.call) if outcome.sign else None
        ended = self._under_way.pop(outcome.key)
        limiter, attempt = ended.provider.limiter, ended.attempt
        self.ledger.settle(outcome.key, outcome.used)
        if outcome.sign is not None and ended.model.breaker.is_open:
            limiter.dropped(attempt, now)  # that is known: it is not to slow down the calls to other models there
        elif outcome.kind == REFUSED:
            limiter.refused(attempt, now, outcome.retry_after_s)
        elif outcome.kind == UNANSWERED:
            limiter.unanswered(attempt, now)
        else:
            limiter.ended(attempt, now)
        return self._watch(ended.model, limiter, outcome, now)

    def _watch(self, model: _Model, limiter: Limiter, outcome: AttemptOutcome, now: float) -> Verdict | None:
        """Learn from the end of an attempt whether the model is out."""
        breaker, key = model.breaker, outcome.key
        if outcome.sign is not None:
            alone = model.runs <= {outcome.run}
            is_out = breaker.sign(key, now, outcome.sign, run=outcome.run, alone=alone)
            return Verdict(outcome.run, call=outcome.call, outage=is_out)
        if outcome.kind == ABANDONED:
            breaker.lost(key, now)
        elif (breaker.slow if outcome.kind == UNANSWERED else breaker.works)(key, now):
            limiter.restart()
        return None

    def forget(self, runs: Iterable[int], now: float) -> None:
        """These runs are gone: drop all that they waited for and held."""
        gone = set(runs)
        for _, model in self._targets():
            model.runs -= gone
        self.given_back -= gone
        self.leaving -= gone
        self._drop(lambda key: key[0] in gone, now)

    def lose(self, key: Key, now: float) -> None:
        """Whoever made this attempt is gone."""
        self._drop(lambda each: each == key, now)

    def _drop(self, is_gone: Callable[[Key], bool], now: float | None = None) -> None:
        for provider in self._providers.values():
            if any(is_gone(ask.key) for ask in provider.queue):
                provider.queue = deque(ask for ask in provider.queue if not is_gone(ask.key))
        for key in filter(is_gone, list(self._under_way)):
            lost = self._under_way.pop(key)
            # Perhaps it was paid for, as ``llm_calls.jsonl`` counts it.
            self.ledger.settle(key, Amount() if lost.is_free else Amount(1))
            at = lost.attempt.sent_at if now is None else now
            lost.provider.limiter.ended(lost.attempt, at)
            lost.model.breaker.lost(key, at)

    def _targets(self) -> Iterator[tuple[Target, _Model]]:
        for address, provider in self._providers.items():
            for name, model in provider.models.items():
                yield Target(address, name), model

    @property
    def queued(self) -> set[int]:
        """The runs that wait for a permit."""
        return {ask.run for provider in self._providers.values() for ask in provider.queue}

    def grants(self, now: float) -> list[Verdict]:
        """Return the requests that can be answered now."""
        verdicts = list(self._stops())
        for provider in () if self._asked.paused else self._providers.values():
            verdicts += self._grants(provider, now)
        return verdicts

    def _grants(self, provider: ServerQueue, now: float) -> Iterator[Verdict]:
        """Answer in order; who waits for the end of an outage, or for its own budget, lets those pass who do not."""
        queue, passed, out = provider.queue, list[PermitRequest](), set[str]()
        while queue:
            ask = queue[0]
            verdict = None if ask.model in out else self._verdict(provider, ask, now)
            if verdict is not None:
                queue.popleft()
                yield verdict
            elif self._is_out(ask):
                passed.append(queue.popleft())
                out.add(ask.model)
            elif self.ledger.waits_alone(ask.following, ask.run):
                passed.append(queue.popleft())
            else:
                break
        queue.extendleft(reversed(passed))

    def _first_for_each_model(self, provider: ServerQueue) -> list[PermitRequest]:
        """Return the first requests for each model but those that wait for the budget of their experiment."""
        asks = [ask for ask in provider.queue if not self.ledger.waits_alone(ask.following, ask.run)]
        return list({ask.model: ask for ask in reversed(asks)}.values())

    def _stops(self) -> Iterator[Verdict]:
        """Answer the runs that are to stop at their next call."""
        for provider in self._providers.values():
            stopped = [ask for ask in provider.queue if self._asked.stopping or ask.run in self.given_back]
            for ask in stopped:
                provider.queue.remove(ask)
                reason = ASKED_TO_STOP if self._asked.stopping else GIVEN_BACK
                if reason == GIVEN_BACK:
                    self.leaving.add(ask.run)
                yield Verdict(ask.run, reason, call=ask.call)

    def wait_s(self, now: float) -> float | None:
        """Return the seconds until ``grants`` may answer more; None: not before something happens."""
        if self._asked.paused:
            return None
        waits = [
            wait
            for provider in self._providers.values()
            for ask in self._first_for_each_model(provider)
            for wait in [provider.wait_s(ask.model, now)]
            if wait is not None and not self.ledger.must_wait(ask.following, ask.run)
        ]
        return min(waits, default=None)

    def paces(self, now: float) -> dict[str, float]:
        """Return the pace, in calls per second, that is kept with each provider that refused calls."""
        rates = {name: provider.limiter.rate(now) for name, provider in self._providers.items()}
        return {name: rate for name, rate in rates.items() if rate is not None}

    def outages(self, now: float) -> dict[str, Outage]:
        """Return the outages that there are now, by what is out."""
        found = {str(target): model.breaker.outage(now) for target, model in self._targets()}
        return {name: outage for name, outage in found.items() if outage is not None}

    def stranded(self) -> dict[str, list[int]]:
        """Return by outage the runs that do nothing but wait for its end; one that waits for two, by the first."""
        if not any(model.breaker.is_open for _, model in self._targets()):
            return {}
        asks = [ask for provider in self._providers.values() for ask in provider.queue]
        goes_on = {run for run, _ in self._under_way} | {ask.run for ask in asks if not self._is_out(ask)}
        first = {ask.run: str(ask.target) for ask in reversed(asks)}
        found: dict[str, list[int]] = {}
        for run in first.keys() - goes_on:
            found.setdefault(first[run], []).append(run)
        return found

    def _is_out(self, ask: PermitRequest) -> bool:
        return self._providers[ask.provider].models[ask.model].breaker.is_open

    def _verdict(self, provider: ServerQueue, ask: PermitRequest, now: float) -> Verdict | None:
        obstacle = self.ledger.obstacle(ask.following, ask.run)
        if obstacle is not None:
            by = obstacle.whose or "the sweep"
            verdict = Verdict(ask.run, f"{obstacle.reason} by {by}", _option(obstacle), call=ask.call)
            self.reached = self.reached or verdict
            return verdict
        model = provider.models[ask.model]
        breaker = model.breaker
        if breaker.gave_up:
            return Verdict(ask.run, call=ask.call, gave_up=breaker.why_given_up)
        if self.ledger.must_wait(ask.following, ask.run) or provider.wait_s(ask.model, now) != 0:
            return None
        self.ledger.set_aside(ask.key, ask.following)
        self._under_way[ask.key] = _UnderWay(provider, model, provider.limiter.sent(now), is_free=breaker.is_open)
        if breaker.is_open:
            breaker.probes(ask.key)
        return Verdict(ask.run, call=ask.call, probe=breaker.is_open)


def _option(obstacle: Obstacle) -> str:
    """Return the option that raises a cap far enough; empty if no value would do."""
    if obstacle.enough is None:
        return ""
    value = f"{obstacle.enough:g}" if isinstance(obstacle.enough, float) else str(obstacle.enough)
    return f"--{obstacle.cap.replace('_', '-')} {value}"
