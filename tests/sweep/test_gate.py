"""What the gate of a run tells the coordinator of attempts that may belong to an outage, and what the answers do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from r2po.llm.budget import Budget
from r2po.llm.client import Model
from r2po.llm.ledger import Amount, Caps, Ledger
from r2po.llm.outage import OutageTooLong, Sign
from r2po.llm.registry import NoModel
from r2po.llm.types import AttemptFailed, Question
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.gate import SweepGate
from r2po.sweep.messages import LISTED, UNANSWERED, AttemptOutcome, PermitRequest, Verdict
from tests.builders import open_client

QUESTION = Question(1, "search", 0, 1, "prompt")


@dataclass
class Channel:
    """Records what a run says, and answers.

    Attributes:
        answer: Of what it asks.
    """

    answer: Callable[[Any], Verdict]
    asked: list[Any] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)

    def ask(self, ask: Any) -> Verdict:
        """Answer."""
        self.asked.append(ask)
        return self.answer(ask)

    def tell(self, message: Any) -> None:
        """Listen."""
        self.told.append(message)


class At(NoModel):
    """A model at a server whose list of models fails as often as is said."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures

    @property
    def address(self) -> str:
        """Where it is."""
        return "http://server"

    def probe(self) -> None:
        """Fail, or not."""
        if self.failures:
            self.failures -= 1
            raise AttemptFailed("HTTP 503", retryable=True, status=503)


@pytest.fixture
def gate(tmp_path: Path) -> Callable[[Channel, At], SweepGate]:
    def make(channel: Channel, provider: At) -> SweepGate:
        with open_client(provider, tmp_path, models={"search": Model(provider, "tiny", {})}) as client:
            return SweepGate(7, client, Budget(Caps(), client.accounting), channel)

    return make


def failure(status: int | None, retry_after_s: float | None = None, *, unreachable: bool = False) -> AttemptFailed:
    return AttemptFailed("no", retryable=True, status=status, retry_after_s=retry_after_s, unreachable=unreachable)


@pytest.mark.parametrize("is_out", [True, False])
def test_an_attempt_in_an_outage_is_made_again_without_counting(
    is_out: bool, gate: Callable[[Channel, At], SweepGate]
) -> None:
    channel = Channel(lambda ask: Verdict(7, call=ask.call, outage=is_out and isinstance(ask, AttemptOutcome)))
    for failed in (failure(503), failure(None, unreachable=True)):
        assert gate(channel, At()).enter(QUESTION).failed(failed) is is_out


@pytest.mark.parametrize(
    ("failed", "overloaded"),
    [
        (failure(529), True),
        (failure(503, 3.0), True),
        (failure(503), False),
        (failure(502), False),
        (failure(503, 900.0), False),
        (failure(None, unreachable=True), False),
    ],
)
def test_a_sign_says_whether_there_may_only_be_too_many_calls(
    failed: AttemptFailed, overloaded: bool, gate: Callable[[Channel, At], SweepGate]
) -> None:
    channel = Channel(lambda ask: Verdict(7, call=ask.call))
    gate(channel, At()).enter(QUESTION).failed(failed)
    ask, outcome = channel.asked
    assert ask.target == ("http://server", "tiny")
    assert outcome.sign == Sign("no", failed.retry_after_s, overloaded=overloaded)


def test_a_probe_asks_for_the_list_until_it_is_answered_and_says_so(gate: Callable[[Channel, At], SweepGate]) -> None:
    channel = Channel(lambda ask: Verdict(7, call=ask.call, probe=isinstance(ask, PermitRequest)))
    gate(channel, At(failures=2)).enter(QUESTION)
    outcomes = [each for each in channel.asked if isinstance(each, AttemptOutcome)]
    assert [(each.call, each.kind, each.sign) for each in outcomes] == [
        (0, UNANSWERED, Sign("HTTP 503")),
        (1, UNANSWERED, Sign("HTTP 503")),
        (2, LISTED, None),
    ]
    assert channel.told == []


def test_a_run_whose_server_is_given_up_stops(gate: Callable[[Channel, At], SweepGate]) -> None:
    with pytest.raises(OutageTooLong, match="no answer for 24 h"):
        gate(Channel(lambda _: Verdict(7, gave_up="no answer for 24 h")), At()).enter(QUESTION)


def test_a_run_is_alone_once_the_others_have_ended() -> None:
    it = Coordinator(Ledger(Caps(), Amount()), 86_400.0)
    for run in range(2):
        it.ask(PermitRequest(run, "http://server"))
    it.grants(0.0)
    it.forget([1], 0.0)
    found = []
    for call in range(2):
        it.ask(PermitRequest(0, "http://server", call=call))
        it.grants(float(call))
        verdict = it.end(AttemptOutcome(0, UNANSWERED, sign=Sign("HTTP 502"), call=call), float(call))
        assert verdict is not None
        found.append(verdict.outage)
    assert found == [False, True]
