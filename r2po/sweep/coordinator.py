"""Decides which run may make its call now: one queue and one limiter for each provider, and the caps of the sweep.

It has neither clock nor threads nor connections: the local pool and the Ray actor wrap it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from r2po.sweep.ledger import Ledger
from r2po.sweep.limiter import Attempt, Limiter
from r2po.sweep.messages import ANSWERED, REFUSED, UNANSWERED, Ask, Key, Outcome, Verdict


@dataclass
class _Provider:
    queue: deque[Ask] = field(default_factory=deque)
    limiter: Limiter | None = None


class Coordinator:
    """Grants permits.

    Args:
        ledger: The caps, and what was used so far.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.reached: Verdict | None = None
        """The first cap that stopped a run."""
        self._providers: dict[str, _Provider] = {}
        self._under_way: dict[Key, tuple[_Provider, Attempt | None]] = {}

    def ask(self, ask: Ask) -> None:
        """Take a request up; ``grants`` answers it. Who asked the same before is gone, e.g. with its node."""
        self._drop(lambda key: key == ask.key)
        provider = self._providers.setdefault(ask.provider, _Provider(limiter=Limiter() if ask.provider else None))
        provider.queue.append(ask)

    def end(self, outcome: Outcome, now: float) -> None:
        """An attempt is over."""
        provider, attempt = self._under_way.pop(outcome.key, (None, None))
        if provider is None:
            return
        if outcome.kind == ANSWERED:
            self.ledger.settle(outcome.key, 1, outcome.tokens, outcome.cost)
        else:
            self.ledger.settle(outcome.key, 0, 0, 0.0)
        if provider.limiter is None or attempt is None:
            return
        if outcome.kind == REFUSED:
            provider.limiter.refused(attempt, now, outcome.retry_after_s)
        elif outcome.kind == UNANSWERED:
            provider.limiter.unanswered(attempt, now)
        else:
            provider.limiter.ended(attempt, now)

    def forget(self, runs: Iterable[int], now: float) -> None:
        """These runs have gone, with all that they waited for and held."""
        gone = set(runs)
        self._drop(lambda key: key[0] in gone, now)

    def lose(self, key: Key, now: float) -> None:
        """Who made this attempt has gone."""
        self._drop(lambda each: each == key, now)

    def _drop(self, is_gone: Callable[[Key], bool], now: float | None = None) -> None:
        for provider in self._providers.values():
            if any(is_gone(ask.key) for ask in provider.queue):
                provider.queue = deque(ask for ask in provider.queue if not is_gone(ask.key))
        for key in filter(is_gone, list(self._under_way)):
            provider, attempt = self._under_way.pop(key)
            self.ledger.lose(key)
            if provider.limiter is not None and attempt is not None:
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
            if provider.queue and provider.limiter is not None
            for wait in [provider.limiter.wait_s(now)]
            if wait is not None and not self.ledger.must_wait(provider.queue[0])
        ]
        return min(waits, default=None)

    @property
    def waiting(self) -> int:
        """Number of attempts that wait for their turn."""
        return sum(len(provider.queue) for provider in self._providers.values())

    @property
    def under_way(self) -> int:
        """Number of calls under way."""
        return len(self._under_way)

    def paces(self, now: float) -> dict[str, float]:
        """Return the pace, in calls per second, that is kept with each provider that refused calls."""
        limiters = {name: each.limiter for name, each in self._providers.items() if each.limiter}
        rates = {name: limiter.rate(now) for name, limiter in limiters.items()}
        return {name: rate for name, rate in rates.items() if rate is not None}

    def _verdict(self, provider: _Provider, ask: Ask, now: float) -> Verdict | None:
        obstacle = self.ledger.obstacle(ask)
        if obstacle is not None:
            verdict = Verdict(ask.run, *obstacle, call=ask.call)
            self.reached = self.reached or verdict
            return verdict
        if self.ledger.must_wait(ask):
            return None
        limiter = provider.limiter
        if limiter is not None and limiter.wait_s(now) != 0:
            return None
        self.ledger.reserve(ask)
        self._under_way[ask.key] = (provider, limiter.sent(now) if limiter else None)
        return Verdict(ask.run, call=ask.call)
