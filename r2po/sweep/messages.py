"""What runs and their coordinator say to each other. Everything is plain data: it goes through pipes and over Ray.

``run`` is always the index of a run in the sweep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from r2po.llm.ledger import Amount

Key = tuple[int, int]
"""Index of a run, and its number for an attempt."""

REFUSED = "refused"
"""The provider turned the attempt away because there are too many."""
ANSWERED = "answered"
UNANSWERED = "unanswered"
"""There was no answer, or the server had an error."""
FAILED = "failed"
"""The attempt failed for a reason that has nothing to do with the load."""


@dataclass(frozen=True)
class OfAttempt:
    """Belongs to one attempt of a run; ``call`` is the run's own number for it: several may be under way at once."""

    run: int
    call: int = field(default=0, kw_only=True)

    @property
    def key(self) -> Key:
        """Identifies the attempt."""
        return self.run, self.call


@dataclass(frozen=True)
class PermitRequest(OfAttempt):
    """A run wants to make one attempt at a call.

    Attributes:
        provider: Address of the server; empty for a stand-in, which takes any number of calls.
        following: What it may take.
    """

    provider: str
    following: Amount = field(default_factory=lambda: Amount(1))


@dataclass(frozen=True)
class AttemptOutcome(OfAttempt):
    """The attempt is over.

    Attributes:
        kind: ``ANSWERED``, ``REFUSED``, ``UNANSWERED`` or ``FAILED``.
        retry_after_s: Seconds that the provider asked to wait.
        used: What it took: nothing if it failed.
    """

    kind: str
    retry_after_s: float | None = None
    used: Amount = field(default_factory=Amount)


@dataclass(frozen=True)
class Verdict(OfAttempt):
    """The answer to an ``PermitRequest``: go on, or stop at a cap.

    Attributes:
        reached: Empty to go on; else the cap that forbids the call, as text.
        setting: The option that raises the cap far enough, e.g. ``--max-cost 20``.
        taken: Whether it is no cap that forbids the call, but another process that has the run.
    """

    reached: str = ""
    setting: str = ""
    taken: bool = False


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        state: ``waiting``, ``running``, ``complete``, ``failed``, ``damaged``.
        now: What it is doing, in a few words; or why it failed, or what is damaged.
        iterations: Complete iterations, of those that are planned.
        best: Largest reward; None before the first iteration.
        calls: Replies so far.
        tokens: Tokens of all replies that say it.
        cost: Money; None if it is not known.
    """

    run: int
    state: str = "waiting"
    now: str = ""
    iterations: int = 0
    planned: int = 0
    best: float | None = None
    calls: int = 0
    episodes: int = 0
    tokens: int = 0
    cost: float | None = None


@dataclass(frozen=True)
class Ended:
    """A run came to an end in this process.

    Attributes:
        state: ``complete``, ``failed`` or ``damaged``; ``waiting`` if a cap of the sweep stopped it; ``running`` if
            another process has it, and may complete it.
        reason: Why it is not complete.
    """

    run: int
    state: str = "complete"
    reason: str = ""


@dataclass(frozen=True)
class Note:
    """A line for the user; ``run`` is None if it is not about one run."""

    run: int | None
    text: str


class Channel(Protocol):
    """Connects a run to the coordinator."""

    def ask(self, ask: PermitRequest) -> Verdict:
        """Wait for permission to make an attempt."""

    def tell(self, message: AttemptOutcome | Progress | Note) -> None:
        """Say something that needs no answer."""


class Listener(Protocol):
    """Follows the runs: the sweep, to the place where they are made."""

    def hear(self, message: Progress | Note | Ended) -> None:
        """A run says something, or has ended."""

    def tick(self, paces: Mapping[str, float], reached: Verdict | None) -> None:
        """Some time has passed; given are the paces of providers that refused calls, and the first cap reached."""
