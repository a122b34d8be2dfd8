"""How long failed attempts at one request are waited for, and when there is no other."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from r2po.llm.types import AttemptFailed

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
_MOST_DOUBLINGS = 10  # far beyond the longest wait


@dataclass
class Patience:
    """Decides after each failed attempt at one request whether there is another, within the limits of a ``Client``."""

    max_attempts: int
    max_wait_s: float
    too_long: str = field(default="", init=False)
    """Why there is no other attempt, if it is for the waiting and not for their number."""
    _attempts: int = field(default=0, init=False)
    _waited_s: float = field(default=0.0, init=False)

    def wait_s(self, failed: AttemptFailed) -> float | None:
        """Return the seconds until the next attempt; None to give up.

        It is exponential back-off with jitter, or what the server asked for if that is longer.
        """
        backoff_s = FIRST_WAIT_S * 2.0 ** min(self._attempts, _MOST_DOUBLINGS)
        jitter_s = random.uniform(0.0, FIRST_WAIT_S)  # noqa: S311 - no secret
        wait_s = max(min(backoff_s + jitter_s, LONGEST_WAIT_S), failed.retry_after_s or 0.0)
        self._attempts += 1
        self._waited_s += wait_s
        if self._attempts >= self.max_attempts or not failed.retryable:
            return None
        if self._waited_s > self.max_wait_s:
            asked = f"the server asks to wait {wait_s:,.0f} s, and " if wait_s == failed.retry_after_s else ""
            self.too_long = f"; {asked}llm_max_wait_s is {self.max_wait_s:g}"
            return None
        return wait_s
