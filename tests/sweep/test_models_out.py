"""Two models behind one address, of which one may be out: the other must not notice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.llm.ledger import Amount, Caps, Ledger
from r2po.llm.outage import Sign, Target
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.messages import ANSWERED, LISTED, UNANSWERED, AttemptOutcome, PermitRequest
from r2po.sweep.outages import read_outages
from tests.llm.fake_ollama import FakeOllama
from tests.llm.fake_servers.core import Handler
from tests.process.processes import player, wait_until, write_config
from tests.sweep.in_threads import UnderWay
from tests.sweep.test_outages import config_of, in_threads

__all__ = ["in_threads"]

SERVER, BAD, WELL = "http://server", "bad", "well"
FAULTY = Sign("HTTP 502")


def two_models(max_llm_calls: int | None = None) -> Coordinator:
    """Return one in an outage of one model, in which two of its runs wait before two of the other."""
    it = Coordinator(Ledger(Caps(max_llm_calls), Amount()), 86_400.0)
    for run in range(2):
        it.ask(PermitRequest(run, SERVER, model=BAD))
    assert len(it.grants(0.0)) == 2
    for run, is_out in enumerate((False, True)):
        verdict = it.end(AttemptOutcome(run, UNANSWERED, sign=FAULTY), 0.0)
        assert verdict is not None
        assert verdict.outage is is_out
    for run in range(4):
        it.ask(PermitRequest(run, SERVER, call=1, model=BAD if run < 2 else WELL))
    return it


def granted(it: Coordinator, now: float) -> list[tuple[int, bool]]:
    return [(verdict.run, verdict.probe) for verdict in it.grants(now)]


def test_calls_to_another_model_of_the_server_pass_those_that_wait_and_end_no_outage() -> None:
    it = two_models()
    assert granted(it, 0.1) == [(2, False), (3, False)]
    it.end(AttemptOutcome(2, ANSWERED, call=1), 0.2)
    assert it.outages(0.2).keys() == {f"{SERVER} (bad)"}
    wait_s = it.wait_s(0.2)
    assert wait_s is not None
    assert wait_s > 1.0  # an answer of the other model is no reason to probe at once
    assert granted(it, 2.3) == [(0, True)]
    it.ask(PermitRequest(2, SERVER, call=2, model=WELL))
    assert granted(it, 2.4) == [(2, False)]
    assert it.end(AttemptOutcome(0, ANSWERED, call=1), 3.0) is None
    assert it.outages(3.0) == {}
    assert granted(it, 3.0) == [(1, False)]


def test_probes_of_one_model_do_not_slow_down_the_other() -> None:
    it, now = two_models(), 0.0
    limiter = it._providers[SERVER].limiter
    limit = limiter.limit
    for call in range(1, 9):
        now += 4.0 * 2**call
        ((run, probe),) = [each for each in granted(it, now) if each[0] < 2]
        assert probe
        number = next(key[1] for key in it._under_way if key[0] == run)
        it.end(AttemptOutcome(run, UNANSWERED, sign=FAULTY, call=number), now)
        it.ask(PermitRequest(run, SERVER, call=10 + call, model=BAD))
    assert limiter.limit == limit


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_else_calls_go_through_in_the_order_they_were_asked_for(bad: list[bool]) -> None:
    it = Coordinator(Ledger(Caps(), Amount()), 86_400.0)
    for run, is_bad in enumerate(bad):
        it.ask(PermitRequest(run, SERVER, model=BAD if is_bad else WELL))
    order: list[int] = []
    while new := [run for run, _ in granted(it, 0.0)]:
        order += new
        for run in new:
            it.end(AttemptOutcome(run, ANSWERED), 0.0)
    assert order == list(range(len(bad)))


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_those_that_were_passed_keep_their_order(bad: list[bool]) -> None:
    it = Coordinator(Ledger(Caps(), Amount()), 86_400.0)
    it.begin_outage(Target(SERVER, BAD), "connection refused", 0.0)
    for run, is_bad in enumerate(bad):
        it.ask(PermitRequest(run, SERVER, model=BAD if is_bad else WELL))
    it.grants(1.0)
    waiting = [ask.run for ask in it._providers[SERVER].queue if ask.model == BAD]
    assert waiting == [run for run, is_bad in enumerate(bad) if is_bad]


@pytest.mark.parametrize("how", ["killed while it lists", "killed while it calls"])
def test_a_probe_that_is_lost_counts_for_a_cap_only_if_it_came_to_a_call(how: str) -> None:
    it = two_models(max_llm_calls=10)
    it.forget([2, 3], 0.0)
    assert granted(it, 2.3) == [(0, True)]
    if how == "killed while it calls":
        verdict = it.end(AttemptOutcome(0, LISTED, call=1), 2.4)
        assert verdict is not None
        assert verdict.key == (0, 1)
    it.forget([0], 3.0)
    assert it.ledger.used.calls == (how == "killed while it calls")
    assert it.under_way == 0


def test_a_model_that_always_fails_lets_the_runs_of_another_one_through(
    in_threads: Callable[..., UnderWay], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("r2po.llm.outage.FIRST_INTERVAL_S", 0.2)

    def only_bad(handler: Handler) -> None:
        body = handler.server.fake.requests[-1].body
        if body["model"] == BAD:
            handler.send_bytes(b"", 502)
        else:
            handler.send_answer(handler.server.fake.chat(body), body)

    for model in (BAD, WELL):
        write_config(Path(), config_of(model, 3, f"ollama/{model}"), f"{model}.yaml")
    with FakeOllama(player, models=[BAD, WELL]) as server:
        server.always(only_bad)
        sweep = in_threads([f"{BAD}.yaml", f"{WELL}.yaml"], 2, server)
        wait_until(lambda: len(list(Path().glob("logs/well/run_*/result.json"))) == 2)
        wait_until(lambda: read_outages(Path("logs/mine")) != {})
        server.recover()
        assert sweep.finish() == ""
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("http://")]
    assert [line.split()[1] for line in said] == ["(ollama/bad):", "(ollama/bad)"]  # it begins, and ends, once
