"""Whoever asks in whatever order: caps hold, nobody waits without need, and nothing is held by those who are gone."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.llm.accounting import Prices
from r2po.llm.budget import Budget
from r2po.llm.client import Model
from r2po.llm.ledger import Amount, Caps, Ledger
from r2po.llm.registry import NoModel
from r2po.llm.types import AttemptFailed, Question, Reply
from r2po.llm.usage import Usage
from r2po.sweep.cluster.clerk import Clerk
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.gate import SweepGate, kind_of
from r2po.sweep.messages import ABANDONED, ANSWERED, FAILED, REFUSED, UNANSWERED, AttemptOutcome, PermitRequest, Verdict
from r2po.sweep.workers.worker import _Worker
from tests.builders import open_client
from tests.scripted import Scripted

SERVER = "http://server"


def coordinator(used: Amount | None = None, **caps: int | float) -> Coordinator:
    return Coordinator(Ledger(Caps(**caps), used or Amount()))  # type: ignore[arg-type]


def under_way(it: Coordinator) -> int:
    return len(it._under_way)


def waiting(it: Coordinator) -> int:
    return sum(len(provider.queue) for provider in it._providers.values())


def test_calls_go_through_in_the_order_they_were_asked_for() -> None:
    it = coordinator()
    for run in (3, 1, 2):
        it.ask(PermitRequest(run, SERVER))
    assert [verdict.run for verdict in it.grants(0.0)] == [3, 1, 2]


def test_a_cap_on_calls_lets_exactly_as_many_through() -> None:
    it = coordinator(Amount(calls=7), max_llm_calls=10)
    for run in range(5):
        it.ask(PermitRequest(run, SERVER))
    assert [verdict.reached for verdict in it.grants(0.0)] == ["", "", ""]
    it.end(AttemptOutcome(0, FAILED), 1.0)  # it took nothing: one more may go
    (verdict,) = it.grants(1.0)
    assert (verdict.run, verdict.reached) == (3, "")
    for run in (1, 2, 3):
        it.end(AttemptOutcome(run, ANSWERED, used=Amount(1, 5)), 2.0)
    (last,) = it.grants(2.0)
    assert last.reached == "max_llm_calls is reached: 10 of 10 calls are used by the sweep"
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
        it.ask(PermitRequest(run, SERVER, Amount(1, expected)))
        for verdict in it.grants(float(run)):
            if not verdict.reached:
                under_way[verdict.run] = tokens[verdict.run]
        if under_way and answered:
            first = min(under_way)
            taken = int(under_way.pop(first)[0] * share)
            used += taken
            it.end(AttemptOutcome(first, ANSWERED, used=Amount(1, taken)), float(run))
    assert used + sum(each[0] for each in under_way.values()) <= cap


def test_what_is_not_known_cannot_be_capped() -> None:
    it = coordinator(max_cost=1.0)
    it.ask(PermitRequest(0, SERVER, Amount(1, cost=0.1)))
    assert it.grants(0.0)[0].reached == ""
    it.end(AttemptOutcome(0, ANSWERED, used=Amount(1, None, None)), 1.0)
    it.ask(PermitRequest(1, SERVER, Amount(1, cost=0.1)))
    assert "cannot be enforced" in it.grants(1.0)[0].reached


def test_a_lost_call_counts_as_paid_for_and_its_place_is_free() -> None:
    it = coordinator(max_llm_calls=2)
    it.ask(PermitRequest(0, SERVER))
    it.ask(PermitRequest(1, SERVER))
    assert len(it.grants(0.0)) == 2
    it.forget([0, 1], 1.0)
    assert under_way(it) == 0
    it.ask(PermitRequest(0, SERVER))
    assert it.grants(1.0)[0].reached


def test_a_run_that_asks_again_has_lost_what_it_held() -> None:
    it = coordinator()
    it.ask(PermitRequest(0, SERVER))
    it.grants(0.0)
    it.ask(PermitRequest(0, SERVER))
    assert under_way(it) == 0
    assert [verdict.run for verdict in it.grants(0.0)] == [0]


# ---- Several calls of one run ----


def test_two_calls_of_one_run_are_told_apart() -> None:
    it = coordinator(max_tokens=100)
    for call, tokens in enumerate((60, 30, 30)):
        it.ask(PermitRequest(0, SERVER, Amount(1, tokens), call=call))
    assert [verdict.key for verdict in it.grants(0.0)] == [(0, 0), (0, 1)]
    it.end(AttemptOutcome(0, ANSWERED, used=Amount(1, 20), call=1), 1.0)
    assert it.grants(1.0) == []  # the first may still take its 60, and 20 are used
    it.end(AttemptOutcome(0, ANSWERED, used=Amount(1, 10), call=0), 2.0)
    assert [verdict.key for verdict in it.grants(2.0)] == [(0, 2)]
    assert (it.ledger.used.calls, it.ledger.used.tokens, under_way(it)) == (2, 30, 1)


def test_a_run_that_is_gone_gives_up_all_its_calls() -> None:
    it = coordinator(max_llm_calls=10)
    for run in (0, 1):
        for call in range(3):
            it.ask(PermitRequest(run, SERVER, call=call))
    assert len(it.grants(0.0)) == 6
    it.ask(PermitRequest(0, SERVER, call=3))
    it.forget([0], 1.0)
    assert (under_way(it), waiting(it)) == (3, 0)
    assert it.ledger.used.calls == 3  # perhaps paid for
    it.lose((1, 2), 1.0)
    assert (under_way(it), it.ledger.used.calls) == (2, 4)


@settings(max_examples=100)
@given(cap=st.integers(1, 300), order=st.permutations(range(24)), tokens=st.lists(st.integers(1, 40), min_size=24))
def test_a_cap_holds_for_the_calls_of_few_runs(cap: int, order: list[int], tokens: list[int]) -> None:
    it = coordinator(max_tokens=cap)
    for index in range(24):
        it.ask(PermitRequest(index % 3, "", Amount(1, tokens[index]), call=index // 3))
    under_way, used = {}, 0
    for index in order:
        for verdict in it.grants(0.0):
            if not verdict.reached:
                under_way[verdict.key] = tokens[3 * verdict.call + verdict.run]
        assert used + sum(under_way.values()) <= cap
        key = (index % 3, index // 3)
        if key in under_way:
            used += under_way.pop(key)
            it.end(AttemptOutcome(key[0], ANSWERED, used=Amount(1, tokens[index]), call=key[1]), 0.0)


def test_a_worker_hands_each_call_its_own_verdict() -> None:
    class Line:
        """A connection that never breaks: a worker whose connection does ends the process."""

        def __init__(self) -> None:
            self.sent, self.received = queue.SimpleQueue[Any](), queue.SimpleQueue[Any]()
            self.send, self.recv = self.sent.put, self.received.get

    line = Line()
    worker = _Worker(line)  # type: ignore[arg-type]
    threading.Thread(target=worker.serve, daemon=True).start()
    answers: dict[int, Verdict] = {}

    def ask(call: int) -> None:
        answers[call] = worker.ask(PermitRequest(0, SERVER, call=call))

    asking = [threading.Thread(target=ask, args=(call,)) for call in range(10)]
    for thread in asking:
        thread.start()
    for asked in reversed([line.sent.get() for _ in asking]):
        line.received.put(Verdict(0, f"cap of call {asked.call}", call=asked.call))
    for thread in asking:
        thread.join()
    assert {call: verdict.reached for call, verdict in answers.items()} == {
        call: f"cap of call {call}" for call in range(10)
    }


@dataclass
class Line:
    ask: Callable[[Any], Verdict]
    tell: Callable[[Any], None]


def test_the_gate_tells_the_attempts_of_a_run_apart(tmp_path: Path) -> None:
    told: list[AttemptOutcome] = []
    with open_client(NoModel(), tmp_path) as client:
        budget = Budget(Caps(), client.accounting)
        gate = SweepGate(7, client, budget, Line(lambda ask: Verdict(ask.run, call=ask.call), told.append))
        first, second = (gate.enter(Question(1, "search", sample, 1, "prompt")) for sample in range(2))
    second.answered(Reply("two", usage=Usage(1, 0, 2)))
    assert first.failed(AttemptFailed("too many", retryable=True, status=429))
    assert [(outcome.key, outcome.kind, outcome.used.tokens) for outcome in told] == [
        ((7, 1), ANSWERED, 3),
        ((7, 0), REFUSED, 0),
    ]


@pytest.mark.parametrize("fault", ["provider", "disk", "screen"])
def test_whatever_ends_an_attempt_the_permit_is_given_back(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Any:
        raise KeyError("a fault of the program")

    told: list[AttemptOutcome] = []
    with open_client(Scripted(["params"]), tmp_path) as client:
        client.gate = SweepGate(0, client, Budget(Caps(), client.accounting), Line(lambda _: OK, told.append))
        if fault == "provider":
            monkeypatch.setattr(Scripted, "complete", fail)
        elif fault == "disk":
            monkeypatch.setattr(client.store, "request", fail)
        else:
            client.on_ask = fail
        with pytest.raises(KeyError):
            client.ask(Question(1, "search", 0, 1, "prompt"), str)
    assert [(outcome.run, outcome.kind) for outcome in told] == [(0, ABANDONED)]


def test_the_gate_asks_at_the_server_of_the_role(tmp_path: Path) -> None:
    class At(NoModel):
        def __init__(self, address: str) -> None:
            self._address = address

        @property
        def address(self) -> str:
            return self._address

    asked: list[PermitRequest] = []
    told: list[AttemptOutcome] = []
    models = {
        "search": Model(At("http://small"), "small", {}, Prices(input=1, output=1)),
        "critic": Model(At("http://big"), "big", {"max_output_tokens": 1000}, Prices(input=100, output=100)),
    }
    with open_client(NoModel(), tmp_path, models=models) as client:
        line = Line(lambda ask: asked.append(ask) or OK, told.append)  # type: ignore[func-returns-value]
        gate = SweepGate(0, client, Budget(Caps(), client.accounting), line)
        for role in ("search", "critic", "other"):
            permit = gate.enter(Question(1, role, 0, 1, "x" * 100))
            permit.answered(Reply("two", usage=Usage(1_000_000, 0, 0)))
    assert [ask.provider for ask in asked] == ["http://small", "http://big", "http://small"]
    assert [ask.following.tokens for ask in asked] == [
        564,
        1064,
        564,
    ]  # of a word of 100 letters, and the most of a reply
    assert [ask.following.cost for ask in asked] == pytest.approx([564e-6, 106_400e-6, 564e-6])
    assert [outcome.used.cost for outcome in told] == [1.0, 100.0, 1.0]


OK = Verdict(0)


def test_the_clerk_answers_calls_of_one_run_one_by_one_and_ends_their_leases() -> None:
    async def talk() -> None:
        it = coordinator(max_llm_calls=3)
        clerk = Clerk(it)
        one, two = await asyncio.gather(*(clerk.ask(PermitRequest(0, SERVER, call=call), 60.0) for call in (1, 2)))
        assert (one.call, two.call, under_way(it)) == (1, 2, 2)
        await clerk.tell(AttemptOutcome(0, ANSWERED, used=Amount(1, 1), call=2))
        assert under_way(it) == 1
        short = await clerk.ask(PermitRequest(0, SERVER, call=3), 0.01)
        assert (short.call, under_way(it)) == (3, 2)
        await asyncio.sleep(0.1)  # the lease of the last one ends, and no other
        assert under_way(it) == 1
        await clerk.forget(0)
        assert (under_way(it), it.ledger.used.calls) == (0, 3)

    asyncio.run(talk())


def test_providers_do_not_wait_for_each_other() -> None:
    it = coordinator()
    it.ask(PermitRequest(0, SERVER))
    it.grants(0.0)
    it.end(AttemptOutcome(0, REFUSED, retry_after_s=60.0), 0.1)
    it.ask(PermitRequest(0, SERVER))
    it.ask(PermitRequest(1, "http://other"))
    it.ask(PermitRequest(2, ""))  # a stand-in has no server
    assert [verdict.run for verdict in it.grants(1.0)] == [1, 2]
    assert it.wait_s(1.0) is not None
    assert [verdict.run for verdict in it.grants(60.2)] == [0]


@pytest.mark.parametrize(
    ("status", "retry_after_s", "retryable", "kind"),
    [
        (429, None, True, REFUSED),
        (529, None, True, REFUSED),
        (503, 3.0, True, REFUSED),
        (429, 600.0, True, REFUSED),
        (429, 86_400.0, True, FAILED),  # nobody waits a day for a turn
        (503, 86_400.0, True, FAILED),
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
