"""An experiment whose budget is nearly spent waits for its own calls, and lets the others pass."""

from __future__ import annotations

from r2po.llm.ledger import Amount, Caps
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.members.accounts import Account, Accounts
from r2po.sweep.messages import ANSWERED, AttemptOutcome, PermitRequest

SERVER = "http://server"
RUNS = [Account("a/run_1", "a"), Account("a/run_2", "a"), Account("b/run_1", "b")]


def coordinator(caps: Caps, each: Caps) -> Coordinator:
    it = Coordinator(Accounts(caps, each, RUNS, lambda _: Amount()))
    for run in range(3):
        it.ask(PermitRequest(run, SERVER, Amount(1, 10, 0.6)))
    return it


def test_who_waits_for_a_budget_of_its_own_does_not_keep_others_from_asking() -> None:
    it = coordinator(Caps(), Caps(max_cost=1.0))
    assert [verdict.run for verdict in it.grants(0.0)] == [0, 2]
    assert it.wait_s(0.0) is None  # nothing can be granted before the call of a ends
    it.end(AttemptOutcome(0, ANSWERED, used=Amount(1, 10, 0.1)), 1.0)
    assert it.wait_s(1.0) == 0.0
    assert [verdict.run for verdict in it.grants(1.0)] == [1]


def test_all_wait_in_their_order_for_a_cap_on_all() -> None:
    it = coordinator(Caps(max_cost=1.0), Caps(max_cost=1.0))
    it.ask(PermitRequest(2, SERVER, Amount(1, 1, 0.1)))  # it would fit, but comes last
    assert [verdict.run for verdict in it.grants(0.0)] == [0]


def test_who_waits_first_is_not_what_says_when_the_next_may_go() -> None:
    it = coordinator(Caps(), Caps(max_cost=1.0))
    assert len(it.grants(0.0)) == 2
    it.ask(PermitRequest(2, SERVER, Amount(1, 1, 0.1), call=1))
    assert it.wait_s(0.5) == 0.0
    assert [verdict.key for verdict in it.grants(0.5)] == [(2, 1)]
