"""How many attempts at calls a provider takes at once, and how many per second: discovered by trying.

Concurrency grows as TCP's window does: it doubles with each round trip until the provider first refuses an attempt (429
and the like) or takes markedly longer, then grows by one; it is halved when attempts get no answer at all, as from a
local server with too long a queue.

Pace is unlimited until the first refusal. A refusal closes the gate: single probes, or the server's ``Retry-After``,
find out when it takes attempts again. What was accepted until then reveals the rate that it bears; from just below it,
the pace creeps up again, faster and faster (as CUBIC does), until the next refusal.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

FIRST_LIMIT = 16
"""Concurrent attempts before anything is known of a provider."""
SLOWER = 2.0
"""Calls that take this many times the shortest latency are assumed to wait for each other."""
BACK_OFF = 0.985
"""Part of the rate that is left after a refusal: each costs little, so the pace stays close to the limit."""
LARGEST_STEP = 0.85
"""Part that is left at least: the cause of a refusal may be past, e.g. a burst that counts for another minute."""
CREEP = 0.03
"""Relative growth of the pace in a time as long as the one that led to the last refusal."""
LEAP, LEAP_AFTER = 0.1, 4.0
"""Growth beyond that is cubic: ``LEAP`` after ``LEAP_AFTER`` such times."""
SHORTEST_S, LONGEST_S = 1.0, 12.0
"""Bounds of that time."""
STEADY_S = 3.0
"""Time over which the pace before a refusal is measured: in a shorter one, a call more or less counts too much."""
CREDIT_S = 0.1
"""How far attempts may catch up on a pace that a busy machine did not keep."""
FIRST_PROBE_S = 0.1
PROBES = 0.05
"""Pauses between probes, as a part of the time since the gate last opened: a long closure is not met with many."""
_REMEMBERED = 10_000


@dataclass(eq=False)
class Attempt:
    """An attempt under way."""

    sent_at: float
    probe: bool
    refused: bool = False


class Limiter:
    """Paces the attempts at one provider. It has no clock: every method is told the time, in seconds.

    Attributes:
        limit: Largest number of concurrent attempts; infinite for a provider that takes any number.
        in_flight: Attempts under way.
    """

    def __init__(self, limit: float = FIRST_LIMIT) -> None:
        self.limit = float(limit)
        self.in_flight = 0
        self._latency_s = 0.0
        self._shortest_s = float("inf")
        self._halved_at = float("-inf")
        self._base_rate: float | None = None
        self._grows_over_s = SHORTEST_S
        self._next_at = 0.0
        self._bound_by_limit = True
        self._opened_at: float | None = None
        self._accepted = 0
        self._recent: deque[Attempt] = deque(maxlen=_REMEMBERED)
        self._closed_at: float | None = None
        self._probe: Attempt | None = None
        self._probe_at = 0.0
        self._refusal_s = 0.0
        self._spared_until = 0.0

    def begin_at(self, rate: float) -> None:
        """Begin with a pace, since other processes know the provider."""
        self._base_rate = rate
        self._grows_over_s = LONGEST_S

    def spare(self, until: float) -> None:
        """Start no attempt until then: the provider has told another process to wait."""
        self._spared_until = max(self._spared_until, until)

    def closed_s(self, now: float) -> float:
        """Return the seconds for which this process knows that the provider takes no attempts."""
        return max(0.0, self._probe_at - now) if self.is_closed and self._probe is None else 0.0

    @property
    def is_closed(self) -> bool:
        """Whether the provider takes no attempts now, as far as is known."""
        return self._closed_at is not None

    def rate(self, now: float) -> float | None:
        """Return the pace in attempts per second; None while no bound is known."""
        if self._base_rate is None or self._opened_at is None:
            return None
        times = max(0.0, now - self._opened_at) / self._grows_over_s
        return float(self._base_rate * (1 + CREEP * times + LEAP * (times / LEAP_AFTER) ** 3))

    def wait_s(self, now: float) -> float | None:
        """Return the seconds until the next attempt may start; None: not before one under way ends."""
        if now < self._spared_until:
            return self._spared_until - now
        if self._closed_at is not None:
            if self._probe is None:
                return max(0.0, self._probe_at - now)
            taken_at = self._probe.sent_at + self._patience_s
            if now < taken_at:
                return taken_at - now
            self._open(now)
        if self.in_flight + 1 > self.limit:
            self._bound_by_limit = True
            return None
        rate = self.rate(now)
        return 0.0 if rate is None else max(0.0, self._next_at - now)

    def sent(self, now: float) -> Attempt:
        """An attempt starts."""
        attempt = Attempt(now, probe=self.is_closed)
        self.in_flight += 1
        self._recent.append(attempt)
        if self._opened_at is None:
            self._opened_at = now
        if attempt.probe:
            self._probe = attempt
            return attempt
        self._accepted += 1
        rate = self.rate(now)
        if rate is not None:
            if self._next_at > now - CREDIT_S:
                self._bound_by_limit = False
            self._next_at = max(self._next_at, now - CREDIT_S) + 1 / rate
        return attempt

    def ended(self, attempt: Attempt, now: float) -> None:
        """An attempt was answered, or failed for a reason of its own."""
        took = now - attempt.sent_at
        self._latency_s = took if not self._latency_s else 0.9 * self._latency_s + 0.1 * took
        self._shortest_s = min(self._shortest_s, self._latency_s)
        if self.in_flight >= 0.8 * self.limit:
            self.limit += 1 if self.limit < self._wanted(now) else 1 / self.limit
        self.in_flight -= 1
        if attempt is self._probe:
            self._open(now)

    def dropped(self, attempt: Attempt, now: float) -> None:
        """An attempt ended in a way that says nothing of the load."""
        self.in_flight -= 1
        if attempt is self._probe:
            self._open(now)

    def unanswered(self, attempt: Attempt, now: float) -> None:
        """An attempt got no answer, or an error of the server: perhaps there are too many. Once for all under way."""
        self.dropped(attempt, now)
        if attempt.sent_at > self._halved_at:
            self._halved_at = now
            self.limit = max(self.limit / 2, 1.0)

    def refused(self, attempt: Attempt, now: float, retry_after_s: float | None = None) -> None:
        """An attempt was refused because there are too many; the server may have said how long to wait."""
        self.in_flight -= 1
        attempt.refused = True
        self._refusal_s = max(now - attempt.sent_at, 0.9 * self._refusal_s)
        if self.is_closed:
            self._pause(attempt, now, retry_after_s or 0.0)
        elif self._opened_at is not None and attempt.sent_at >= self._opened_at:
            self._accepted -= 1
            self._close(now, retry_after_s or 0.0)

    def restart(self) -> None:
        """An outage is over: begin with one attempt at a time again, at the pace that was borne before."""
        self.limit = float(self.in_flight + 1)
        self._latency_s, self._shortest_s, self._halved_at = 0.0, float("inf"), float("-inf")

    def _wanted(self, now: float) -> float:
        """Return the concurrency up to which it doubles: what the pace takes, with some to spare (Little's law)."""
        rate = self.rate(now)
        if rate is None:
            eager = self._latency_s <= SLOWER * self._shortest_s and self._halved_at < 0
            return float("inf") if eager else 0.0
        return 1.25 * rate * self._latency_s + 1

    @property
    def _patience_s(self) -> float:
        """Time after which a probe passes for accepted: refusals come sooner than answers."""
        return 2 * self._refusal_s + 0.02

    def _close(self, now: float, retry_after_s: float) -> None:
        self._closed_at = now
        self._probe = None
        if self._bound_by_limit:
            self.limit = max(float(self.in_flight), 1.0)
        rate = self.rate(now)
        self._probe_at = now + max(FIRST_PROBE_S if rate is None else min(FIRST_PROBE_S, 1 / rate), retry_after_s)

    def _pause(self, attempt: Attempt, now: float, retry_after_s: float) -> None:
        if attempt is self._probe:
            assert self._opened_at is not None
            self._probe = None
            self._probe_at = now + max(FIRST_PROBE_S, PROBES * (now - self._opened_at), retry_after_s)
        else:
            if attempt.sent_at >= (self._opened_at or 0.0):
                self._accepted -= 1
            if self._bound_by_limit:
                self.limit = max(self.limit - 1, 1.0)
            self._probe_at = max(self._probe_at, now + retry_after_s)

    def _open(self, now: float) -> None:
        """A probe was accepted: begin anew, just below what proved to be too much."""
        assert self._closed_at is not None
        assert self._opened_at is not None
        open_s, closed_s = self._closed_at - self._opened_at, now - self._closed_at
        before = self.rate(self._closed_at)
        if before is None or closed_s > max(open_s, SHORTEST_S):
            # Nothing else is known; or a quota was used up, which holds for both times together.
            rate = max(self._accepted, 1) / max(open_s + closed_s, FIRST_PROBE_S)
            grows_over_s = closed_s
        else:
            rate, grows_over_s = self._slower(before, open_s, closed_s), open_s
        self._base_rate = BACK_OFF * rate
        self._grows_over_s = min(max(grows_over_s, SHORTEST_S), LONGEST_S)
        self._opened_at = self._probe.sent_at if self._probe else now
        self._accepted = 1
        self._closed_at = self._probe = None
        self._next_at = now + 1 / self._base_rate

    def _slower(self, before: float, open_s: float, closed_s: float) -> float:
        """Return what was accepted per second when the pace proved to be too much, or somewhat more."""
        if self._bound_by_limit and self.limit > 1:
            return before / BACK_OFF  # there were too many at once, and not too many per second
        assert self._closed_at is not None
        window = max(SHORTEST_S, min(open_s, max(STEADY_S, 4 * closed_s)))
        start = self._closed_at - window
        accepted = sum(start < each.sent_at <= self._closed_at and not each.refused for each in self._recent)
        return max(LARGEST_STEP * before, min(before, accepted / window))
