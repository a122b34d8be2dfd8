"""The gate before the model: where many runs share a provider, each attempt at a call waits for its turn."""

from __future__ import annotations

from r2po.llm.types import AttemptFailed, Question, Reply


class Permit:
    """Permission to make one attempt, until ``answered`` or ``failed`` reports its outcome.

    Used in a ``with`` statement, it is given back whatever else happens in between, e.g. a full disk.
    """

    def __enter__(self) -> None:
        """The attempt begins."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Give the permit back after an error that ``failed`` will not report."""
        if error is not None and not isinstance(error, AttemptFailed):
            self.abandon()

    def abandon(self) -> None:
        """The attempt came to no end that could be reported."""

    def answered(self, reply: Reply) -> None:
        """The attempt was answered."""

    def failed(self, failure: AttemptFailed) -> bool:  # noqa: ARG002 - subclasses use it
        """The attempt failed; returns whether to enter again at once, without counting the failure against the run."""
        return False


class Gate:
    """Lets every attempt through at once: the base of the others."""

    def enter(self, question: Question) -> Permit:  # noqa: ARG002 - subclasses use it
        """Wait until one attempt at a question may be made.

        Raises:
            CapReached: It would exceed a cap that this run shares with others.
        """
        return Permit()

    def close(self) -> None:
        """The run is over: who waits in other threads is not to make an attempt."""
