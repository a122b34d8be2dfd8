"""The gate of a run in a sweep: it asks the coordinator before each attempt, and tells it what came of it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

from r2po.llm.accounting import Budget, CapReached, Prices
from r2po.llm.client import Client
from r2po.llm.gate import Gate, Permit
from r2po.llm.types import AttemptFailed, Question, Reply, Usage
from r2po.sweep.messages import ANSWERED, FAILED, REFUSED, UNANSWERED, Ask, Outcome, Verdict

PATIENCE_S = 600.0
"""Refusals count as failures once a run has got nothing else from a server for so long."""
OVERLOADED = frozenset({429, 529})


class SweepCapReached(CapReached):
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
        tokens, cost = sum(self._budget.expected_tokens(question)), self._budget.expected_cost(question)
        model = self._client.model_of(question.role)
        ask = Ask(self._run, model.provider.address, tokens, cost, call=next(self._numbers))
        verdict = self._ask(ask)
        if verdict.reached:
            raise SweepCapReached(f"{verdict.reached} by the sweep", remedy="raise it", setting=verdict.setting)
        return _SweepPermit(self, ask, model.prices)

    def answered(self, ask: Ask, tokens: int | None, cost: float | None) -> None:
        """Tell what an attempt took."""
        self._refused_since.pop(ask.provider, None)
        self._tell(Outcome(ask.run, ANSWERED, tokens=tokens, cost=cost, call=ask.call))

    def failed(self, ask: Ask, failure: AttemptFailed) -> bool:
        """Tell it; a refusal is waited out, unless there has been nothing else for long."""
        kind = kind_of(failure)
        self._tell(Outcome(ask.run, kind, failure.retry_after_s, call=ask.call))
        if kind != REFUSED:
            return False
        now = time.monotonic()
        return now - self._refused_since.setdefault(ask.provider, now) < PATIENCE_S


@dataclass(frozen=True)
class _SweepPermit(Permit):
    gate: SweepGate
    ask: Ask
    prices: Prices | None

    def answered(self, reply: Reply) -> None:
        cost = None if self.prices is None else self.prices.cost(reply.usage)
        self.gate.answered(self.ask, _tokens(reply.usage), cost)

    def failed(self, failure: AttemptFailed) -> bool:
        return self.gate.failed(self.ask, failure)


def kind_of(failure: AttemptFailed) -> str:
    """Return what a failure says of the load: too many attempts, perhaps too many, or nothing."""
    if not failure.retryable:
        return FAILED  # also an account without credit, which answers 429 too
    if failure.status in OVERLOADED or (failure.status == 503 and failure.retry_after_s is not None):
        return REFUSED
    return UNANSWERED if failure.status is None or failure.status >= 500 else FAILED


def _tokens(usage: Usage) -> int | None:
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    return usage.prompt_tokens + usage.completion_tokens
