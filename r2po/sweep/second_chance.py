"""A run that failed for a reason that may pass is made once more, after all others."""

from __future__ import annotations

from dataclasses import replace

from r2po.errors import NoUsableReply, R2POError
from r2po.llm.client import CallFailed
from r2po.sweep.messages import Ended

QUEUED = "queued"
"""State of a run that failed and is made again."""


class SecondChances:
    """Remembers who has had one."""

    def __init__(self) -> None:
        self._given: set[int] = set()

    def have_had(self, run: int) -> None:
        """A run has had its chance in another process."""
        self._given.add(run)

    def after(self, ended: Ended) -> Ended:
        """Return how a run ended: in state ``QUEUED`` if it is to be made again."""
        if ended.state != "failed" or not ended.may_pass or ended.run in self._given:
            return ended
        self._given.add(ended.run)
        return replace(ended, state=QUEUED)


def may_pass(error: R2POError) -> bool:
    """Whether a run that stopped may get further if it is made again: timeouts, server errors, unusable replies."""
    return isinstance(error, NoUsableReply) or (isinstance(error, CallFailed) and error.retryable)
