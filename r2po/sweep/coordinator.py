"""Decides which run may make its call now: one queue and one limiter for each provider, and the caps of the sweep.

It has neither clock nor threads nor connections: the local pool and the Ray actor wrap it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from r2po.llm.ledger import Amount, Ledger, Obstacle
from r2po.sweep.limiter import Attempt, Limiter
from r2po.sweep.messages import REFUSED, UNANSWERED, AttemptOutcome, Key, PermitRequest, Verdict


@dataclass
class _Provider:
    limiter: Limiter
    queue: deque[PermitRequest] = field(default_factory=deque)


class Coordinator:
    """Grants permits; the ledger knows the caps, and what was used so far."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.reached: Verdict | None = None
        """The first cap that stopped a run."""
        self._providers: dict[str, _Provider] = {}
        self._under_way: dict[Key, tuple[_Provider, Attempt]] = {}

    def ask(self, ask: PermitRequest) -> None:
        """Queue a request, which ``grants`` answers. Whoever asked the same before is gone, e.g. with its node."""
        self._drop(lambda key: key == ask.key)
        provider = self._providers.setdefault(ask.provider, _Provider(Limiter() if ask.provider else Limiter(math.inf)))
        provider.queue.append(ask)

    def end(self, outcome: AttemptOutcome, now: float) -> None:
        """An attempt is over."""
        if outcome.key not in self._under_way:
            return
        provider, attempt = self._under_way.pop(outcome.key)
        self.ledger.settle(outcome.key, outcome.used)
        if outcome.kind == REFUSED:
            provider.limiter.refused(attempt, now, outcome.retry_after_s)
        elif outcome.kind == UNANSWERED:
            provider.limiter.unanswered(attempt, now)
        else:
            provider.limiter.ended(attempt, now)

    def forget(self, runs: Iterable[int], now: float) -> None:
        """These runs are gone: drop all that they waited for and held."""
        gone = set(runs)
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
            provider.limiter.ended(attempt, attempt.sent_at if now is None else now)

    def grants(self, now: float) -> list[Verdict]:
        """Return the requests that can be answered now."""
        verdicts: list[Verdict] = []
        for provider in self._providers.values():
            while provider.queue:
                verdict = self._verdict(provider, provider.queue[0], now)
                if verdict is None:
                    break
                provider.queue.popleft()
                verdicts.append(verdict)
        return verdicts

    def wait_s(self, now: float) -> float | None:
        """Return the seconds until ``grants`` may answer more; None: not before something happens."""
        waits = [
            wait
            for provider in self._providers.values()
            if provider.queue
            for wait in [provider.limiter.wait_s(now)]
            if wait is not None and not self.ledger.must_wait(provider.queue[0].following, provider.queue[0].run)
        ]
        return min(waits, default=None)

    def paces(self, now: float) -> dict[str, float]:
        """Return the pace, in calls per second, that is kept with each provider that refused calls."""
        rates = {name: provider.limiter.rate(now) for name, provider in self._providers.items()}
        return {name: rate for name, rate in rates.items() if rate is not None}

    def _verdict(self, provider: _Provider, ask: PermitRequest, now: float) -> Verdict | None:
        obstacle = self.ledger.obstacle(ask.following, ask.run)
        if obstacle is not None:
            by = obstacle.whose or "the sweep"
            verdict = Verdict(ask.run, f"{obstacle.reason} by {by}", _option(obstacle), call=ask.call)
            self.reached = self.reached or verdict
            return verdict
        if self.ledger.must_wait(ask.following, ask.run) or provider.limiter.wait_s(now) != 0:
            return None
        self.ledger.set_aside(ask.key, ask.following)
        self._under_way[ask.key] = (provider, provider.limiter.sent(now))
        return Verdict(ask.run, call=ask.call)


def _option(obstacle: Obstacle) -> str:
    """Return the option that raises a cap far enough; empty if no value would do."""
    if obstacle.enough is None:
        return ""
    value = f"{obstacle.enough:g}" if isinstance(obstacle.enough, float) else str(obstacle.enough)
    return f"--{obstacle.cap.replace('_', '-')} {value}"
