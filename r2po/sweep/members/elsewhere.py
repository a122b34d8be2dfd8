"""Failures that may have to do with one process only: its keys, its account, its network; others may get further."""

from __future__ import annotations

from collections.abc import Sequence

from r2po.errors import R2POError
from r2po.llm.client import CallFailed
from r2po.llm.outage import OutageTooLong
from r2po.llm.types import AttemptFailed
from r2po.sweep.endings import SweepStopped
from r2po.sweep.members.member import Member
from r2po.sweep.messages import Ended

OF_ACCOUNTS = frozenset({401, 402, 403})
NO_CREDIT = 429
"""What some servers answer if an account has no credit; then the call is not worth another attempt."""
MOST_IN_A_ROW = 3
"""A process leaves its runs to the others when so many, one after the other, have failed for the same such reason."""


def may_pass_elsewhere(error: R2POError) -> bool:
    """Whether a run that stopped may get further in another process: it has another account, or another network."""
    if isinstance(error, OutageTooLong):
        return True
    # At the first contact, what made the call fail is an error of the input.
    failed = error if isinstance(error, CallFailed) else error.__cause__
    failure = failed.__cause__ if isinstance(failed, CallFailed) else None
    if not isinstance(failure, AttemptFailed):
        return False
    return (
        failure.unreachable or failure.status in OF_ACCOUNTS or (failure.status == NO_CREDIT and not failure.retryable)
    )


def is_for_others(run: str, me: Member, others: Sequence[Member]) -> bool:
    """Whether a run that failed in just one process, for a reason of its own, may be made by another than that."""
    failed_in = [member for member in (me, *others) if run in member.failed]
    return len(failed_in) == 1 and run in failed_in[0].elsewhere


class InARow:
    """Counts runs that failed one after the other for the same reason, which may be that of this process."""

    def __init__(self) -> None:
        self._reason = ""
        self._count = 0

    def count(self, ended: Ended) -> None:
        """A run has ended here, and others could make it.

        Raises:
            SweepStopped: There are too many of them.
        """
        if ended.state != "failed" or not ended.elsewhere:
            self._count = 0
            return
        self._count = self._count + 1 if ended.reason == self._reason else 1
        self._reason = ended.reason
        if self._count >= MOST_IN_A_ROW:
            raise SweepStopped(
                f"{self._count} runs in a row failed here for the same reason, so all are left to the other processes: "
                f"{ended.reason}"
            )
