"""Simulated providers with limits, and a clock that is told the time: hours pass in no time."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from r2po.sweep.limiter import Attempt, Limiter


class Server(Protocol):
    """Decides whether a call is accepted."""

    def take(self, now: float) -> bool: ...

    def retry_after_s(self, now: float) -> float: ...


@dataclass
class TokenBucket:
    """``rate`` calls per second, ``burst`` at once after a pause."""

    rate: float
    burst: float
    level: float = field(init=False)
    then: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.burst

    def take(self, now: float) -> bool:
        self.level = min(self.burst, self.level + (now - self.then) * self.rate)
        self.then = now
        accepted = self.level >= 1
        self.level -= accepted
        return accepted

    def retry_after_s(self, now: float) -> float:
        return max(0.0, (1 - self.level) / self.rate)


@dataclass
class SlidingWindow:
    """``count`` calls within any ``window_s`` seconds."""

    count: int
    window_s: float
    accepted: deque[float] = field(default_factory=deque)

    def take(self, now: float) -> bool:
        while self.accepted and self.accepted[0] <= now - self.window_s:
            self.accepted.popleft()
        if len(self.accepted) >= self.count:
            return False
        self.accepted.append(now)
        return True

    def retry_after_s(self, now: float) -> float:
        return self.accepted[0] + self.window_s - now


@dataclass
class FixedWindow:
    """``count`` calls within each of the windows that follow each other."""

    count: int
    window_s: float
    window: float = -1.0
    used: int = 0

    def take(self, now: float) -> bool:
        if now // self.window_s != self.window:
            self.window, self.used = now // self.window_s, 0
        self.used += 1
        return self.used <= self.count

    def retry_after_s(self, now: float) -> float:
        return (self.window + 1) * self.window_s - now


@dataclass
class Unlimited:
    """Takes everything."""

    def take(self, now: float) -> bool:
        return True

    def retry_after_s(self, now: float) -> float:
        return 0.0


@dataclass(frozen=True)
class Seen:
    """What came of it: calls per second after the start, refusals, and the most calls under way."""

    rate: float
    refusals: int
    most_in_flight: int


def drive(
    server: Server, *, seconds: float, start_s: float, runs: int, latency_s: float, tells: bool, seed: int = 0
) -> Seen:
    """Let runs call as fast as a limiter lets them; count what is accepted after ``start_s``."""
    rng, limiter, order = random.Random(seed), Limiter(), itertools.count()
    events: list[tuple[float, int, bool, Attempt]] = []
    now, waiting, accepted, refused, most = 0.0, runs, 0, 0, 0
    while now < seconds:
        while waiting and limiter.wait_s(now) == 0:
            attempt, waiting = limiter.sent(now), waiting - 1
            good = server.take(now)
            accepted += good and now > start_s
            took = latency_s * rng.uniform(0.7, 1.3) if good else rng.uniform(0.005, 0.015)
            heapq.heappush(events, (now + took, next(order), good, attempt))
            most = max(most, limiter.in_flight)
        wait_s = limiter.wait_s(now) if waiting else None
        if wait_s is not None and (not events or now + wait_s < events[0][0]):
            now += max(wait_s, 0.001) + rng.uniform(0.0, 0.002)  # timers are late
            continue
        now, _, good, attempt = heapq.heappop(events)
        waiting += 1
        if good:
            limiter.ended(attempt, now)
        else:
            refused += 1
            limiter.refused(attempt, now, server.retry_after_s(now) if tells else None)
    return Seen(accepted / (seconds - start_s), refused, most)


Make = Callable[[], Server]
