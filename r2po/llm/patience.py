"""How often a failed attempt at a request is repeated, and after what wait."""

from __future__ import annotations

import random
from dataclasses import dataclass

from r2po.llm.types import AttemptFailed

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
_MOST_DOUBLINGS = 10  # far beyond the longest wait


@dataclass
class Patience:
    """Decides after each failed attempt at one request.

    Attributes:
        max_attempts: Attempts before it gives up.
        max_wait_s: Longest total wait between the attempts, in seconds.
    """

    max_attempts: int
    max_wait_s: float
    _attempts: int = 0
    _waited_s: float = 0.0

    def wait_s(self, failed: AttemptFailed) -> float | None:
        """Return the seconds until the next attempt; None to give up.

        It is exponential back-off with jitter, or what the server asked for if that is longer.
        """
        backoff_s = FIRST_WAIT_S * 2.0 ** min(self._attempts, _MOST_DOUBLINGS)
        jitter_s = random.uniform(0.0, FIRST_WAIT_S)  # noqa: S311 - no secret
        wait_s = max(min(backoff_s + jitter_s, LONGEST_WAIT_S), failed.retry_after_s or 0.0)
        self._attempts += 1
        self._waited_s += wait_s
        is_over = self._attempts >= self.max_attempts or self._waited_s > self.max_wait_s
        return None if is_over or not failed.retryable else wait_s
