"""The gate of a run in a sweep: it asks the coordinator before each attempt, and tells it what came of it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

from r2po.errors import RunStopped
from r2po.llm.accounting import Prices, amount_of
from r2po.llm.budget import Budget
from r2po.llm.client import Client
from r2po.llm.gate import Gate, Permit
from r2po.llm.types import AttemptFailed, Question, Reply
from r2po.sweep.messages import ANSWERED, FAILED, REFUSED, UNANSWERED, Ask, Outcome, Verdict

PATIENCE_S = 600.0
"""Refusals count as failures once a run has got nothing else from a server for so long."""
OVERLOADED = frozenset({429, 529})


class SweepCapReached(RunStopped):
    """The next call would exceed a cap of the whole sweep."""


class SweepGate(Gate):
    """Waits for the coordinator.

    Args:
        run: Index of the run in the sweep.
        client: Knows who is asked, and what that costs.
        budget: Knows what the next call may take.
        ask: Waits for the coordinator's answer.
        tell: Tells the coordinator that an attempt is over.
    """

    def __init__(
        self,
        run: int,
        client: Client,
        budget: Budget,
        ask: Callable[[Ask], Verdict],
        tell: Callable[[Outcome], None],
    ) -> None:
        self._run = run
        self._client = client
        self._budget = budget
        self._ask = ask
        self._tell = tell
        self._refused_since: dict[str, float] = {}
        self._numbers = itertools.count()

    def enter(self, question: Question) -> Permit:
        """Wait for the turn of this attempt."""
        model = self._client.model_of(question.role)
        ask = Ask(self._run, model.provider.address, self._budget.expected(question), call=next(self._numbers))
        verdict = self._ask(ask)
        if verdict.reached:
            raise SweepCapReached(f"{verdict.reached} by the sweep")
        return _SweepPermit(ask, model.prices, self._tell, self._refused_since)


@dataclass(frozen=True)
class _SweepPermit(Permit):
    """Tells the coordinator what came of an attempt.

    Attributes:
        ask: The attempt.
        prices: What tokens cost, if known.
        tell: Tells it.
        refused_since: By provider, when it began to refuse all attempts of the run.
    """

    ask: Ask
    prices: Prices | None
    tell: Callable[[Outcome], None]
    refused_since: dict[str, float]

    def answered(self, reply: Reply) -> None:
        """Tell what the attempt took."""
        self.refused_since.pop(self.ask.provider, None)
        self.tell(Outcome(self.ask.run, ANSWERED, used=amount_of(reply.usage, self.prices), call=self.ask.call))

    def abandon(self) -> None:
        """Tell that the attempt is over."""
        self.tell(Outcome(self.ask.run, FAILED, call=self.ask.call))

    def failed(self, failure: AttemptFailed) -> bool:
        """Tell it; a refusal is waited out, unless there has been nothing else for long."""
        kind = kind_of(failure)
        self.tell(Outcome(self.ask.run, kind, failure.retry_after_s, call=self.ask.call))
        if kind != REFUSED:
            return False
        now = time.monotonic()
        return now - self.refused_since.setdefault(self.ask.provider, now) < PATIENCE_S


def kind_of(failure: AttemptFailed) -> str:
    """Return what a failure says of the load: too many attempts, perhaps too many, or nothing."""
    if not failure.retryable:
        return FAILED  # also an account without credit, which answers 429 too
    if failure.status in OVERLOADED or (failure.status == 503 and failure.retry_after_s is not None):
        return REFUSED
    return UNANSWERED if failure.status is None or failure.status >= 500 else FAILED
