"""The gate of a run in a sweep: it asks the coordinator before each attempt, and tells it what came of it."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, replace

from r2po.errors import RunStopped
from r2po.llm.accounting import Prices, amount_of
from r2po.llm.budget import Budget
from r2po.llm.client import Client
from r2po.llm.gate import Gate, Permit
from r2po.llm.outage import OutageTooLong, Sign, is_sign, probe
from r2po.llm.types import AttemptFailed, Provider, Question, Reply
from r2po.runlog import RunLockedError
from r2po.sweep.messages import (
    ABANDONED,
    ANSWERED,
    FAILED,
    LISTED,
    REFUSED,
    UNANSWERED,
    AttemptOutcome,
    Channel,
    PermitRequest,
)

PATIENCE_S = 600.0
"""Refusals count as failures once a run has got nothing else from a server for so long."""
OVERLOADED = frozenset({429, 529})


class SweepCapReached(RunStopped):
    """The next call would exceed a cap of the whole sweep."""


class SweepGate(Gate):
    """Waits for the coordinator."""

    def __init__(self, run: int, client: Client, budget: Budget, channel: Channel) -> None:
        self._run = run
        self._client = client
        self._budget = budget
        self._channel = channel
        self._refused_since: dict[str, float] = {}
        self._numbers = itertools.count()

    def enter(self, question: Question) -> Permit:
        """Wait for the turn of this attempt; in an outage, be the one that finds out whether it is over."""
        model = self._client.model_of(question.role)
        while True:
            expected = self._budget.expected(question)
            ask = PermitRequest(self._run, model.provider.address, expected, call=next(self._numbers), model=model.name)
            verdict = self._channel.ask(ask)
            if verdict.taken:
                raise RunLockedError(verdict.reached)
            if verdict.reached:
                raise SweepCapReached(verdict.reached)
            if verdict.gave_up:
                raise OutageTooLong(verdict.gave_up)
            permit = _SweepPermit(ask, model.prices, self._channel, self._refused_since)
            if not verdict.probe or permit.finds_answering(model.provider):
                return permit


@dataclass(frozen=True)
class _SweepPermit(Permit):
    """Tells the coordinator what came of an attempt.

    ``refused_since`` says, by provider, when it began to refuse all attempts of the run.
    """

    ask: PermitRequest
    prices: Prices | None
    channel: Channel
    refused_since: dict[str, float]

    def answered(self, reply: Reply) -> None:
        self.refused_since.pop(self.ask.provider, None)
        self.channel.tell(
            AttemptOutcome(self.ask.run, ANSWERED, used=amount_of(reply.usage, self.prices), call=self.ask.call)
        )

    def abandon(self) -> None:
        self.channel.tell(AttemptOutcome(self.ask.run, ABANDONED, call=self.ask.call))

    def finds_answering(self, provider: Provider) -> bool:
        """Whether an attempt may find an outage over; if not, the permit is given back."""
        with self:
            sign = probe(provider)
        kind = LISTED if sign is None else UNANSWERED
        self.channel.ask(AttemptOutcome(self.ask.run, kind, sign=sign, call=self.ask.call))
        return sign is None

    def failed(self, failure: AttemptFailed) -> bool:
        """Tell it; an outage is waited out, and so is a refusal, unless there has been nothing else for long."""
        kind = kind_of(failure)
        outcome = AttemptOutcome(self.ask.run, kind, failure.retry_after_s, call=self.ask.call)
        if is_sign(failure):
            sign = Sign(failure.reason, failure.retry_after_s, overloaded=kind == REFUSED)
            if self.channel.ask(replace(outcome, sign=sign)).outage:
                self.refused_since.pop(self.ask.provider, None)
                return True
        else:
            self.channel.tell(outcome)
        if kind != REFUSED:
            return False
        now = time.monotonic()
        return now - self.refused_since.setdefault(self.ask.provider, now) < PATIENCE_S


def kind_of(failure: AttemptFailed) -> str:
    """Return what a failure says of the load: too many attempts, perhaps too many, or nothing."""
    if not failure.retryable:
        return FAILED  # also an account without credit, which answers 429 too
    if (failure.retry_after_s or 0.0) > PATIENCE_S:
        return FAILED  # nobody waits a day for a turn: the run stops, unless its config lets it wait that long
    if failure.status in OVERLOADED or (failure.status == 503 and failure.retry_after_s is not None):
        return REFUSED
    return UNANSWERED if failure.status is None or failure.status >= 500 else FAILED
