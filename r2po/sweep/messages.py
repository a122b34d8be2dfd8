"""What runs and their coordinator say to each other. Everything is plain data: it goes through pipes and over Ray.

``run`` is always the index of a run in the sweep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from r2po.llm.ledger import Amount, Caps
from r2po.llm.outage import Outage, Sign, Target

GIVEN_BACK = "given back"
"""How a run ended that goes on later, since fewer are to be under way."""
DEFERRED = "deferred by the race"
"""How a run ended that is not made, since another process has found its experiment to be surely not the best."""
ASKED_TO_STOP = "a stop is asked for"

Key = tuple[int, int]
"""Index of a run, and its number for an attempt."""

REFUSED = "refused"
"""The provider turned the attempt away because there are too many."""
ANSWERED = "answered"
UNANSWERED = "unanswered"
"""There was no answer, or the server had an error."""
FAILED = "failed"
"""The attempt failed for a reason that has nothing to do with the load."""
ABANDONED = "abandoned"
"""The attempt came to no end that says anything of the provider."""
LISTED = "listed"
"""The list of models answered a probe. The attempt is not over: from now on, it may be paid for."""


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
        model: Name of the model.
    """

    provider: str
    following: Amount = field(default_factory=lambda: Amount(1))
    model: str = field(default="", kw_only=True)

    @property
    def target(self) -> Target:
        """Whom it asks."""
        return Target(self.provider, self.model)


@dataclass(frozen=True)
class AttemptOutcome(OfAttempt):
    """The attempt is over.

    Attributes:
        kind: ``ANSWERED``, ``REFUSED``, ``UNANSWERED``, ``FAILED`` or ``ABANDONED``; or ``LISTED``, which a
            ``Verdict`` answers.
        retry_after_s: Seconds that the provider asked to wait.
        used: What it took: nothing if it failed.
        sign: Given if the provider may be out: whether it is, a ``Verdict`` then says.
    """

    kind: str
    retry_after_s: float | None = None
    used: Amount = field(default_factory=Amount)
    sign: Sign | None = None


@dataclass(frozen=True)
class Verdict(OfAttempt):
    """The answer to a ``PermitRequest``, go on or stop; or to an outcome with a sign of an outage.

    Attributes:
        reached: Empty to go on; else why the run stops, which is mostly the cap that forbids the call, as text.
        setting: The option that raises the cap far enough, e.g. ``--max-cost 20``.
        gave_up: Empty to go on; else why the provider is not waited for any longer.
        probe: Whether the attempt is to find out, for all runs, if an outage is over.
        outage: Whether the attempt that failed belongs to an outage, and counts for nothing.
        taken: Whether it is no cap that forbids the call, but another process that has the run.
    """

    reached: str = ""
    setting: str = ""
    gave_up: str = ""
    probe: bool = False
    outage: bool = False
    taken: bool = False


@dataclass(frozen=True)
class Instruction:
    """What people ask of all runs, from now on.

    Attributes:
        paused: Whether no call begins.
        stopping: Whether each run stops at its next call.
        caps: Limits on all runs together.
        used: What each run had used before this process made it; None if the coordinator knows it.
    """

    paused: bool = False
    stopping: bool = False
    caps: Caps = field(default_factory=Caps)
    used: Sequence[Amount] | None = None


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
        requests: Requests on record when its log was read; None if it is not one that goes on.
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
    requests: int | None = None


@dataclass(frozen=True)
class Ended:
    """A run came to an end in this process.

    Attributes:
        state: ``complete``, ``failed`` or ``damaged``; ``waiting`` if a cap of the sweep stopped it; ``running`` if
            another process has it, and may complete it; ``GIVEN_BACK`` if it goes on later; ``queued`` if it failed and
            is made again; ``DEFERRED`` if a race left it out.
        reason: Why it is not complete.
        may_pass: Whether a run that failed may get further if it is made again.
        elsewhere: Whether a run that failed may get further in another process, with another account.
    """

    run: int
    state: str = "complete"
    reason: str = ""
    may_pass: bool = False
    elsewhere: bool = False


@dataclass(frozen=True)
class Note:
    """A line for the user; ``run`` is None if it is not about one run."""

    run: int | None
    text: str


class Channel(Protocol):
    """Connects a run to the coordinator."""

    def ask(self, ask: PermitRequest | AttemptOutcome) -> Verdict:
        """Wait for permission to make an attempt; or say how one ended that shows a sign of an outage."""

    def tell(self, message: AttemptOutcome | Progress | Note) -> None:
        """Say something that needs no answer."""


class Listener(Protocol):
    """Follows the runs: the sweep, to the place where they are made."""

    def hear(self, message: Progress | Note | Ended) -> None:
        """A run says something, or has ended."""

    def tick(self, paces: Mapping[str, float], reached: Verdict | None, outages: Mapping[str, Outage]) -> None:
        """Some time has passed; given are the paces of providers that refused calls, the first cap reached, outages."""
