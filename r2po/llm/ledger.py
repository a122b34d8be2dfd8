"""Caps on what calls use together, of one run or of a whole sweep: which one would the next call exceed?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import astuple, dataclass, field

from r2po.llm.usage import plus


@dataclass(frozen=True)
class Amount:
    """What calls have used or may use; None for what is not known.

    Attributes:
        calls: Their number, those included that were under way when a process was killed: perhaps they were paid for.
        tokens: Tokens of their prompts and completions.
        cost: Money.
    """

    calls: int = 0
    tokens: int | None = 0
    cost: float | None = 0.0

    def __add__(self, other: Amount) -> Amount:
        """Add up; something unknown makes the sum unknown."""
        return Amount(self.calls + other.calls, plus(self.tokens, other.tokens), plus(self.cost, other.cost))


def larger(one: Amount, other: Amount) -> Amount:
    """Return the later of two amounts that the same run had used at different times: it only grows."""
    return max(one, other, key=lambda amount: (amount.calls, amount.tokens or 0, amount.cost or 0.0))


@dataclass(frozen=True)
class Caps:
    """Limits on a run or a sweep, earlier processes included; None for none. See docs/config.md."""

    max_llm_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    max_wall_time_s: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit."""
        return any(cap is not None for cap in astuple(self))


@dataclass(frozen=True)
class Obstacle:
    """A cap that a call would exceed, or that cannot be enforced.

    Attributes:
        cap: Its name.
        reason: One line on what is wrong.
        enough: A value that leaves room for this call and more; None if no value would do.
        whose: What the cap holds for, if it is a part of the whole, e.g. an experiment of a sweep.
    """

    cap: str
    reason: str
    enough: float | None = None
    whose: str = ""

    @classmethod
    def reached(cls, cap: str, what: str, enough: float) -> Obstacle:
        """Return that a cap is reached."""
        return cls(cap, f"{cap} is reached: {what}", enough)


@dataclass
class Ledger:
    """Says of each call whether it fits. It is not thread-safe.

    Attributes:
        caps: The caps; wall time is checked elsewhere.
        used: What calls that are over have used.
    """

    caps: Caps
    used: Amount = field(default_factory=Amount)
    _set_aside: dict[Hashable, Amount] = field(default_factory=dict)

    def obstacle(self, following: Amount, owner: Hashable = None) -> Obstacle | None:  # noqa: ARG002 - see below
        """Return the cap that a call would exceed even if no call under way took anything.

        ``owner`` makes the call; a ledger may have further caps for some.
        """
        return self._obstacle(self.used, following)

    def must_wait(self, following: Amount, owner: Hashable = None) -> bool:  # noqa: ARG002 - as above
        """Return whether a call fits only if those under way take less than they may."""
        return self._obstacle(sum(self._set_aside.values(), self.used), following) is not None

    def waits_alone(self, following: Amount, owner: Hashable = None) -> bool:  # noqa: ARG002 - as above
        """Return whether a call must wait, but for no cap that holds for all: others may go meanwhile."""
        return False

    def set_aside(self, key: Hashable, following: Amount) -> None:
        """Set aside what a call may take."""
        self._set_aside[key] = following

    def settle(self, key: Hashable, used: Amount) -> None:
        """A call is over: count what it took in place of what was set aside for it."""
        if self._set_aside.pop(key, None) is not None:
            self.used += used

    def set_caps(self, caps: Caps, used: Sequence[Amount] | None = None) -> None:
        """Keep to other caps from now on.

        Args:
            caps: The caps.
            used: What was used before this process began to count; None if that is known.
        """
        self.caps = caps
        if used is not None:
            self.used += sum(used, Amount())

    def _obstacle(self, used: Amount, following: Amount) -> Obstacle | None:
        return self._calls(used.calls) or self._tokens(used, following) or self._cost(used, following)

    def _calls(self, used: int) -> Obstacle | None:
        cap = self.caps.max_llm_calls
        if cap is None or used + 1 <= cap:
            return None
        return Obstacle.reached("max_llm_calls", f"{used} of {cap} calls are used", max(2 * cap, used + 1))

    def _tokens(self, used: Amount, following: Amount) -> Obstacle | None:
        cap = self.caps.max_tokens
        if cap is None:
            return None
        if used.tokens is None or following.tokens is None:
            return _unknown("max_tokens", "tokens they took")
        if used.tokens + following.tokens <= cap:
            return None
        what = f"{used.tokens:,} of {cap:,} tokens are used, and the next call may take {following.tokens:,}"
        return Obstacle.reached("max_tokens", what, max(2 * cap, used.tokens + 2 * following.tokens))

    def _cost(self, used: Amount, following: Amount) -> Obstacle | None:
        cap = self.caps.max_cost
        if cap is None:
            return None
        if used.cost is None or following.cost is None:
            cached = "of their tokens were cached, which have a price of their own"
            return _unknown("max_cost", "tokens they took" if used.tokens is None else cached)
        if used.cost + following.cost <= cap:
            return None
        what = f"{used.cost:.6g} of {cap:.6g} are spent, and the next call may cost {following.cost:.3g}"
        enough = max(2 * cap, used.cost + 2 * following.cost)
        return Obstacle.reached("max_cost", what, float(f"{enough:.4g}"))


def _unknown(cap: str, what: str) -> Obstacle:
    return Obstacle(cap, f"{cap} cannot be enforced: the model's replies do not say how many {what}")
