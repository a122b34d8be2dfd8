"""When a server is out: nobody asks it but one probe now and then, until it answers again or that takes too long.

It has no clock, no threads and no connections: every method is told the time, in seconds. The coordinator of a sweep
has a breaker for each model at a server, and so has the gate of a single run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from r2po.errors import RunStopped
from r2po.llm.types import AttemptFailed, Provider

OUT = frozenset({502, 503, 504, 529})
"""Statuses by which a server, or what stands before it, says that nobody is served."""
LONGEST_PAUSE_S = 600.0
"""A server that asks for a longer one says itself that it is out: one such sign is enough."""
ENOUGH = 2
"""Signs that make an outage: from so many runs; of a run that is alone, so many in a row."""
ENOUGH_OF_ONE = 3
"""So many in a row of one run make one too: the others may be doing something else."""
OVERLOAD_S = 30.0
"""Refusals for too many calls must go on for so long, with nothing else between them, to be signs."""
FIRST_INTERVAL_S, LONGEST_INTERVAL_S = 2.0, 3600.0
INTERVAL_SHARE = 0.25
"""Pause between probes, as a part of the time since the outage began."""
JITTER = 0.1
"""Part by which a pause is longer or shorter: not all sweeps are to come back at the same moment."""


class Target(NamedTuple):
    """What can be out: a model at a server. Behind one address, another model may be well.

    Attributes:
        address: The server's; empty if there is none.
        model: Its name, as configured.
    """

    address: str
    model: str = ""

    def __str__(self) -> str:
        return f"{self.address} ({self.model})" if self.address and self.model else self.address


def is_sign(failure: AttemptFailed) -> bool:
    """Whether a failed attempt may mean that the server is out.

    A reset does not: the request may have been sent, and paid for. Nor does a timeout, since the server may be slow.
    """
    return failure.retryable and (failure.unreachable or failure.status in OUT)


@dataclass(frozen=True)
class Sign:
    """What is kept of a failed attempt that may mean that its server is out.

    Attributes:
        reason: Why it failed, in one line.
        retry_after_s: Seconds that the server asked to wait.
        overloaded: Whether it may have been refused because there are too many calls, which a slower pace mends.
    """

    reason: str
    retry_after_s: float | None = None
    overloaded: bool = False


@dataclass(frozen=True)
class Outage:
    """An outage that goes on.

    Attributes:
        lasts_s: For how long so far.
        reason: Why the latest attempt failed.
    """

    lasts_s: float
    reason: str


@dataclass
class Breaker:
    """Decides whether a model at a server may be asked.

    Attributes:
        longest_s: How long an outage is waited for; with 0, there are none, and each attempt counts for itself.
        random: Where the jitter comes from.
        since: When the outage began; None while there is none.
        reason: Why the latest attempt in it failed.
        gave_up: Whether it took too long. It stays so: what waits for the server is to stop.
    """

    longest_s: float
    random: Random = field(default_factory=Random, repr=False)
    since: float | None = field(default=None, init=False)
    reason: str = field(default="", init=False)
    gave_up: bool = field(default=False, init=False)
    _signs: list[Hashable] = field(default_factory=list, init=False)
    _first_sign_at: float = field(default=0.0, init=False)
    _probe: Hashable | None = field(default=None, init=False)
    _probe_at: float = field(default=0.0, init=False)

    @property
    def is_open(self) -> bool:
        """Whether there is an outage."""
        return self.since is not None

    def sign(self, attempt: Hashable, now: float, sign: Sign, *, run: Hashable = None, alone: bool = True) -> bool:
        """An attempt failed as all do in an outage; returns whether there is one.

        Args:
            attempt: Which one, to tell the probe from the others.
            now: The time.
            sign: What is known of it.
            run: Whose it was.
            alone: Whether no other run asks this model.
        """
        if self.longest_s <= 0:
            return False
        if self.since is not None:
            self.reason = sign.reason
            self.lost(attempt, now, sign.retry_after_s)
            return True
        if not self._signs:
            self._first_sign_at = now
        self._signs.append(run)
        lasting = not sign.overloaded or now - self._first_sign_at >= OVERLOAD_S
        announced = (sign.retry_after_s or 0.0) > LONGEST_PAUSE_S
        if announced or (lasting and self._are_enough(alone=alone)):
            self.begin(now, sign.reason, sign.retry_after_s)
        return self.is_open

    def _are_enough(self, *, alone: bool) -> bool:
        """Whether so many signs without an answer between them make an outage."""
        counts = Counter(self._signs)
        return len(counts) >= ENOUGH or max(counts.values()) >= (ENOUGH if alone else ENOUGH_OF_ONE)

    def begin(self, now: float, reason: str, retry_after_s: float | None = None) -> None:
        """An outage begins."""
        self.since, self.reason = now, reason
        self._pause(now, retry_after_s)

    def works(self, attempt: Hashable, now: float) -> bool:
        """An attempt shows that the server works; returns whether that ends an outage.

        Only the probe's does. Another one was sent before the outage began, and is reason enough to probe now.
        """
        self._signs.clear()
        if attempt != self._probe:
            self._probe_at = min(self._probe_at, now)
            return False
        was_open = self.is_open
        self.since = self._probe = None
        return was_open

    def slow(self, attempt: Hashable, now: float) -> bool:
        """An attempt got no answer, or the server failed at it: it is there; returns whether that ends an outage.

        Such failures count for themselves. Among others, they neither make an outage nor rule one out.
        """
        return attempt == self._probe and self.works(attempt, now)

    def lost(self, attempt: Hashable, now: float, retry_after_s: float | None = None) -> None:
        """An attempt came to an end that does not show that the server works."""
        if self.is_open and attempt == self._probe:
            self._pause(now, retry_after_s)

    def probes(self, attempt: Hashable) -> None:
        """This attempt, and no other, finds out whether the outage is over."""
        self._probe = attempt

    def wait_s(self, now: float) -> float | None:
        """Return the seconds until an attempt may be made; None: not before the probe under way ends."""
        if self.since is None or self.gave_up:
            return 0.0
        return max(0.0, self._probe_at - now) if self._probe is None else None

    def outage(self, now: float) -> Outage | None:
        """Return the outage, if there is one."""
        return None if self.since is None else Outage(now - self.since, self.reason)

    @property
    def why_given_up(self) -> str:
        """Why the server is not waited for any longer."""
        return f"no answer for {in_words(self.longest_s)}, and --max-outage allows no longer: {self.reason}"

    def _pause(self, now: float, retry_after_s: float | None) -> None:
        """Set the time of the next probe; the last one is made when the outage takes too long."""
        assert self.since is not None
        self._probe = None
        self.gave_up = now - self.since >= self.longest_s
        interval_s = max(FIRST_INTERVAL_S, INTERVAL_SHARE * (now - self.since))
        interval_s = min(interval_s * self.random.uniform(1 - JITTER, 1 + JITTER), LONGEST_INTERVAL_S)
        self._probe_at = min(now + max(interval_s, retry_after_s or 0.0), self.since + self.longest_s)


def probe(provider: Provider) -> Sign | None:
    """Ask a server for what costs nothing; return a sign if it is still out, None if the next attempt may tell."""
    try:
        provider.probe()
    except AttemptFailed as failure:
        if is_sign(failure):  # a list that takes long, or is not there, says nothing of calls
            return Sign(failure.reason, failure.retry_after_s)
    return None


def in_words(seconds: float) -> str:
    """Return a duration as people say it: in the largest unit of which it is a whole number."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds / size:.10g} {unit}"
    return f"{seconds:.10g} s"


class OutageTooLong(RunStopped):
    """A server was out for longer than is waited for."""
