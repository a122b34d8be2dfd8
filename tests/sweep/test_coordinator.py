"""Whoever asks in whatever order: caps hold, nobody waits without need, and nothing is held by those who are gone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.llm.types import AttemptFailed
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.gate import kind_of
from r2po.sweep.ledger import Ledger, SweepCaps, Used
from r2po.sweep.messages import ANSWERED, FAILED, REFUSED, UNANSWERED, Ask, Outcome

SERVER = "http://server"


def coordinator(used: Used | None = None, **caps: int | float) -> Coordinator:
    return Coordinator(Ledger(SweepCaps(**caps), used or Used()))  # type: ignore[arg-type]


def test_calls_go_through_in_the_order_they_were_asked_for() -> None:
    it = coordinator()
    for run in (3, 1, 2):
        it.ask(Ask(run, SERVER))
    assert [verdict.run for verdict in it.grants(0.0)] == [3, 1, 2]


def test_a_cap_on_calls_lets_exactly_as_many_through() -> None:
    it = coordinator(Used(calls=7), max_llm_calls=10)
    for run in range(5):
        it.ask(Ask(run, SERVER))
    assert [verdict.reached for verdict in it.grants(0.0)] == ["", "", ""]
    it.end(Outcome(0, FAILED), 1.0)  # it took nothing: one more may go
    (verdict,) = it.grants(1.0)
    assert (verdict.run, verdict.reached) == (3, "")
    for run in (1, 2, 3):
        it.end(Outcome(run, ANSWERED, tokens=5), 2.0)
    (last,) = it.grants(2.0)
    assert last.reached == "max_llm_calls is reached: 10 of 10 calls are used"
    assert last.setting == "--max-llm-calls 20"
    assert it.reached == last


@settings(max_examples=200)
@given(
    cap=st.integers(1, 200),
    tokens=st.lists(st.tuples(st.integers(1, 30), st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=60),
)
def test_a_cap_on_tokens_is_never_exceeded(cap: int, tokens: list[tuple[int, float, bool]]) -> None:
    """Calls take at most what was expected of them; they end in any order."""
    it = coordinator(max_tokens=cap)
    used, under_way = 0, {}
    for run, (expected, share, answered) in enumerate(tokens):
        it.ask(Ask(run, SERVER, tokens=expected))
        for verdict in it.grants(float(run)):
            if not verdict.reached:
                under_way[verdict.run] = tokens[verdict.run]
        if under_way and answered:
            first = min(under_way)
            taken = int(under_way.pop(first)[0] * share)
            used += taken
            it.end(Outcome(first, ANSWERED, tokens=taken), float(run))
    assert used + sum(each[0] for each in under_way.values()) <= cap


def test_what_is_not_known_cannot_be_capped() -> None:
    it = coordinator(max_cost=1.0)
    it.ask(Ask(0, SERVER, cost=0.1))
    assert it.grants(0.0)[0].reached == ""
    it.end(Outcome(0, ANSWERED, tokens=None, cost=None), 1.0)
    it.ask(Ask(1, SERVER, cost=0.1))
    assert "cannot be kept" in it.grants(1.0)[0].reached


def test_a_lost_call_counts_as_paid_for_and_its_place_is_free() -> None:
    it = coordinator(max_llm_calls=2)
    it.ask(Ask(0, SERVER))
    it.ask(Ask(1, SERVER))
    assert len(it.grants(0.0)) == 2
    it.forget([0, 1], 1.0)
    assert it.under_way == 0
    it.ask(Ask(0, SERVER))
    assert it.grants(1.0)[0].reached


def test_a_run_that_asks_again_has_lost_what_it_held() -> None:
    it = coordinator()
    it.ask(Ask(0, SERVER))
    it.grants(0.0)
    it.ask(Ask(0, SERVER))
    assert it.under_way == 0
    assert [verdict.run for verdict in it.grants(0.0)] == [0]


def test_providers_do_not_wait_for_each_other() -> None:
    it = coordinator()
    it.ask(Ask(0, SERVER))
    it.grants(0.0)
    it.end(Outcome(0, REFUSED, retry_after_s=60.0), 0.1)
    it.ask(Ask(0, SERVER))
    it.ask(Ask(1, "http://other"))
    it.ask(Ask(2, ""))  # a stand-in has no server
    assert [verdict.run for verdict in it.grants(1.0)] == [1, 2]
    assert it.wait_s(1.0) is not None
    assert [verdict.run for verdict in it.grants(60.2)] == [0]


@pytest.mark.parametrize(
    ("status", "retry_after_s", "retryable", "kind"),
    [
        (429, None, True, REFUSED),
        (529, None, True, REFUSED),
        (503, 3.0, True, REFUSED),
        (503, None, True, UNANSWERED),
        (None, None, True, UNANSWERED),
        (429, None, False, FAILED),
        (200, None, True, FAILED),
        (400, None, False, FAILED),
    ],
)
def test_what_a_failure_says_of_the_load(
    status: int | None, retry_after_s: float | None, retryable: bool, kind: str
) -> None:
    failure = AttemptFailed("no", retryable=retryable, status=status, retry_after_s=retry_after_s)
    assert kind_of(failure) == kind
