"""Caps on what all runs of a sweep use together. What calls under way may take is set aside before they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from r2po.sweep.messages import Ask, Key


@dataclass(frozen=True)
class SweepCaps:
    """Limits on a sweep, earlier processes included; None for none."""

    max_llm_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit."""
        return (self.max_llm_calls, self.max_tokens, self.max_cost) != (None, None, None)


@dataclass
class Used:
    """What was used; None for what is not known.

    Attributes:
        calls: Replies, and calls that were under way when a process was killed.
        tokens: Tokens of all replies.
        cost: Money.
    """

    calls: int = 0
    tokens: int | None = 0
    cost: float | None = 0.0

    def add(self, calls: int, tokens: int | None, cost: float | None) -> None:
        """Add to it; something unknown makes the sum unknown."""
        self.calls += calls
        self.tokens = None if self.tokens is None or tokens is None else self.tokens + tokens
        self.cost = None if self.cost is None or cost is None else self.cost + cost


@dataclass
class Ledger:
    """Says of each call whether it fits."""

    caps: SweepCaps
    used: Used = field(default_factory=Used)
    _reserved: dict[Key, Ask] = field(default_factory=dict)

    def obstacle(self, ask: Ask) -> tuple[str, str] | None:
        """Return the cap that a call would exceed even if no call under way took anything, and a setting that helps."""
        return self._exceeded(ask, [])

    def must_wait(self, ask: Ask) -> bool:
        """Return whether a call fits only if those under way take less than they may."""
        return self._exceeded(ask, list(self._reserved.values())) is not None

    def reserve(self, ask: Ask) -> None:
        """Set aside what a call may take."""
        self._reserved[ask.key] = ask

    def settle(self, key: Key, calls: int, tokens: int | None, cost: float | None) -> None:
        """A call is over: put in what it took."""
        if self._reserved.pop(key, None) is not None:
            self.used.add(calls, tokens, cost)

    def lose(self, key: Key) -> None:
        """The process that made the call is gone: it may have been paid for, as ``llm_calls.jsonl`` counts it."""
        self.settle(key, 1, 0, 0.0)

    def _exceeded(self, ask: Ask, under_way: list[Ask]) -> tuple[str, str] | None:
        return self._calls(len(under_way)) or self._tokens(ask, under_way) or self._cost(ask, under_way)

    def _calls(self, under_way: int) -> tuple[str, str] | None:
        cap, used = self.caps.max_llm_calls, self.used.calls + under_way
        if cap is None or used + 1 <= cap:
            return None
        return f"max_llm_calls is reached: {used} of {cap} calls are used", f"--max-llm-calls {max(2 * cap, used + 1)}"

    def _tokens(self, ask: Ask, under_way: list[Ask]) -> tuple[str, str] | None:
        cap = self.caps.max_tokens
        if cap is None:
            return None
        if self.used.tokens is None:
            return "max_tokens cannot be kept: some replies do not say how many tokens they took", ""
        used = self.used.tokens + sum(each.tokens for each in under_way)
        if used + ask.tokens <= cap:
            return None
        what = f"max_tokens is reached: {used:,} of {cap:,} tokens are used, and the next call may take {ask.tokens:,}"
        return what, f"--max-tokens {max(2 * cap, used + 2 * ask.tokens)}"

    def _cost(self, ask: Ask, under_way: list[Ask]) -> tuple[str, str] | None:
        cap = self.caps.max_cost
        if cap is None:
            return None
        if self.used.cost is None or ask.cost is None:
            return "max_cost cannot be kept: what some replies cost is not known", ""
        used = math.fsum([self.used.cost, *(each.cost or 0.0 for each in under_way)])
        if used + ask.cost <= cap:
            return None
        what = f"max_cost is reached: {used:.6g} of {cap:.6g} are spent, and the next call may cost {ask.cost:.3g}"
        return what, f"--max-cost {max(2 * cap, used + 2 * ask.cost):.4g}"
