"""Processes that share caps: together they use all of them, and no more."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from r2po.llm.budget import Budget
from r2po.llm.ledger import Amount, Caps
from r2po.llm.registry import NoModel
from r2po.llm.types import Question
from r2po.runlog import RunLockedError
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.gate import SweepGate
from r2po.sweep.members.accounts import Account, Accounts
from r2po.sweep.members.members import Members
from r2po.sweep.members.sharing import LOOK_S, TELL_S, SharedCoordinator
from r2po.sweep.messages import ANSWERED, FAILED, REFUSED, AttemptOutcome, Instruction, PermitRequest, Verdict
from r2po.sweep.plan import SweepRequest
from r2po.sweep.sweep import Sweep, SweepOptions
from tests.builders import open_client
from tests.process.processes import write_config
from tests.sweep.members.test_members import dead_process, file_of, rewrite
from tests.sweep.sweeping import SMALL
from tests.sweep.test_coordinator import Line

SERVER = "http://server"
NONE = Caps()
CALL = Amount(1, 10, 1.0)
RUNS = [Account(f"{experiment}/run_{seed}", f"logs/{experiment}") for seed in (1, 2, 3) for experiment in ("a", "b")]


def nothing(_run: int) -> Amount:
    return Amount()


@dataclass
class Process:
    """One of the processes, which holds some runs."""

    members: Members
    accounts: Accounts
    it: SharedCoordinator
    now: float = 0.0
    under_way: list[tuple[int, int]] = field(default_factory=list)
    calls: int = 0

    def ask(self, run: int, following: Amount = CALL) -> None:
        self.calls += 1
        self.it.ask(PermitRequest(run, SERVER, following, call=self.calls))

    def grants(self) -> list[str]:
        """Return what is said to those that ask, after long enough a pause."""
        self.now += max(LOOK_S, TELL_S)
        verdicts = self.it.grants(self.now)
        self.under_way += [verdict.key for verdict in verdicts if not verdict.reached]
        return [verdict.reached for verdict in verdicts]

    def end(self, kind: str = ANSWERED, used: Amount = CALL) -> None:
        run, call = self.under_way.pop(0)
        self.it.end(AttemptOutcome(run, kind, used=used if kind == ANSWERED else Amount(), call=call), self.now)


def process(
    sweep: Path,
    *held: int,
    caps: Caps = NONE,
    each: Caps = NONE,
    usage: Callable[[int], Amount] = nothing,
) -> Process:
    members = Members(sweep, worker=True, counted=True)
    members.join()
    accounts = Accounts(caps, each, RUNS, usage)
    accounts.hear(members.others(), members.is_live)
    for run in held:
        accounts.take(run)
        accounts.tell(members.me)
        assert members.claim(RUNS[run].name)
    return Process(members, accounts, SharedCoordinator(accounts, members))


def test_calls_of_all_count_and_those_under_way_are_waited_for(tmp_path: Path) -> None:
    one, other = (process(tmp_path, run, caps=Caps(max_llm_calls=3)) for run in (0, 1))
    for _ in range(2):
        one.ask(0)
    assert one.grants() == ["", ""]
    for _ in range(2):
        other.ask(1)
    assert other.grants() == [""]
    assert other.grants() == []  # one of the three may still fail
    one.end(FAILED)
    one.it.exchange(one.now + TELL_S)
    assert other.grants() == [""]
    one.end()
    other.end()
    other.end()
    one.it.exchange(one.now + 1.0)
    other.ask(1)
    assert other.grants() == ["max_llm_calls is reached: 3 of 3 calls are used by the sweep"]


def test_whoever_comes_and_goes_all_calls_of_a_cap_are_used_and_no_more(tmp_path: Path) -> None:
    for seed in range(3):
        rng, folder, cap = random.Random(seed), tmp_path / str(seed), 40
        logged = [Amount() for _ in RUNS]
        crowd = [process(folder, run, caps=Caps(max_llm_calls=cap), usage=logged.__getitem__) for run in range(3)]
        answered, reached, now = 0, 0, 0.0
        while reached < 3:
            now += 0.3
            number = rng.randrange(3)
            each = crowd[number]
            each.now = max(each.now, now)
            action = rng.random()
            if action < 0.5:
                each.ask(number)
            elif action < 0.95 and each.under_way:
                kind = rng.choice([ANSWERED, ANSWERED, FAILED])
                each.end(kind)
                answered += kind == ANSWERED
                logged[number] += Amount(int(kind == ANSWERED), 10, 1.0)
            elif action > 0.97 and answered < cap - 10:  # it is killed: calls under way count in its log
                answered += len(each.under_way)
                logged[number] += Amount(len(each.under_way))
                rewrite(file_of(folder, each.members), pid=dead_process())
                crowd[number] = process(folder, number, caps=Caps(max_llm_calls=cap), usage=logged.__getitem__)
                continue
            each.it.exchange(each.now)
            reached += sum(map(bool, each.grants()))
            assert answered + sum(len(every.under_way) for every in crowd) <= cap
        assert answered == cap


def test_a_run_that_goes_from_hand_to_hand_is_counted_once(tmp_path: Path) -> None:
    one = process(tmp_path, 0, caps=Caps(max_llm_calls=10))
    for _ in range(4):
        one.ask(0)
    assert len(one.grants()) == 4
    for _ in range(4):
        one.end()
    one.accounts.tell(one.members.me)
    one.accounts.give_back(0)
    one.members.me.held.clear()
    one.members.write()
    # Its log, read in between, may tell a call that was under way and failed since: it is no reply.
    other = process(tmp_path, 0, caps=Caps(max_llm_calls=10), usage=lambda run: Amount(4) if run == 0 else Amount())
    assert other.accounts.used.calls == 4
    other.ask(0)
    assert other.grants() == [""]
    other.end()
    other.it.exchange(other.now + 1.0)
    one.accounts.hear(one.members.others(), one.members.is_live)
    assert (one.accounts.used.calls, other.accounts.used.calls) == (5, 5)


def test_the_holder_knows_better_than_its_log_what_its_run_has_used(tmp_path: Path) -> None:
    one = process(tmp_path, 0, caps=Caps(max_llm_calls=3))
    one.ask(0)
    assert one.grants() == [""]
    # In the log of a run that is being made, a call under way looks like one that was lost.
    other = process(tmp_path, 1, caps=Caps(max_llm_calls=3), usage=lambda run: Amount(1) if run == 0 else Amount())
    assert other.accounts.used.calls == 0
    one.end(FAILED)
    one.it.exchange(one.now + 1.0)
    for _ in range(3):
        other.ask(1)
    assert other.grants() == ["", "", ""]


def test_a_cap_that_is_set_meanwhile_counts_what_all_have_used_before(tmp_path: Path) -> None:
    before = [Amount() for _ in RUNS]
    one, other = (process(tmp_path, run) for run in (0, 1))
    for each, run in ((one, 0), (other, 1)):
        each.ask(run)
        assert each.grants() == [""]
        each.end()
        each.ask(run)
        assert each.grants() == [""]  # it is under way when the cap is set
    set_to_6 = Instruction(caps=Caps(max_llm_calls=6), used=before)
    one.it.obey(set_to_6)
    # The other one ends a run before it hears of the cap: only it knows what that run has used in the end.
    other.end()
    other.ask(1)
    assert other.grants() == [""]
    other.end()
    other.accounts.give_back(1)
    other.members.me.held.clear()
    other.it.obey(set_to_6)
    one.it.exchange(one.now + 10.0)
    assert one.accounts.used == Amount(4, 40, 4.0)
    for _ in range(2):
        one.ask(0)
    assert one.grants() == [""]  # with those under way, these are six
    assert one.grants() == []
    for _ in range(2):
        one.end()
    one.it.exchange(one.now + 20.0)
    other.ask(2)
    assert other.grants() == ["max_llm_calls is reached: 6 of 6 calls are used by the sweep"]
    assert one.grants() == ["max_llm_calls is reached: 6 of 6 calls are used by the sweep"]


def test_each_experiment_has_its_own_budget_in_all_processes(tmp_path: Path) -> None:
    budget = Caps(max_cost=2.5)
    one, other = process(tmp_path, 0, 1, each=budget), process(tmp_path, 2, each=budget)  # runs of a, b and a
    for run in (0, 1):
        one.ask(run)
    assert one.grants() == ["", ""]
    other.ask(2)
    assert other.grants() == [""]
    other.ask(2)
    assert other.grants() == []  # a has 0.5 left, if both calls cost what they may
    one.end(used=Amount(1, 10, 0.5))
    one.it.exchange(one.now + 1.0)
    assert other.grants() == [""]
    for each in (one, other, other):
        each.end()
        each.it.exchange(each.now + 1.0)
    other.ask(2)
    (reason,) = other.grants()
    assert reason.startswith("max_cost_each is reached: 2.5 of 2.5 are spent")
    assert reason.endswith("by logs/a")
    assert other.it.reached is not None
    assert other.it.reached.setting == "--max-cost-each 5"
    one.ask(1)
    assert one.grants() == [""]


def test_a_server_that_asks_one_to_wait_is_spared_by_all_and_a_newcomer_begins_at_its_share(tmp_path: Path) -> None:
    one, other = process(tmp_path, 0), process(tmp_path, 1)
    for each, run in ((one, 0), (other, 1)):
        each.ask(run)
        each.it.grants(0.0)
    one.it.end(AttemptOutcome(0, REFUSED, 30.0, call=1), 0.1)
    one.it.exchange(0.5)
    other.it.exchange(2.5)
    other.ask(1)
    assert other.it.grants(2.6) == []
    assert other.it.grants(33.0) != []
    one.ask(0)
    (probe,) = one.it.grants(31.0)
    one.it.end(AttemptOutcome(0, ANSWERED, used=Amount(1), call=probe.call), 31.5)  # accepted: a rate is known
    one.it.exchange(40.0)
    known = one.it.paces(40.0)[SERVER]
    third = process(tmp_path, 2)
    third.ask(2)
    third.it.grants(0.0)
    assert 0 < third.it.paces(0.0)[SERVER] <= known / 2


def test_a_short_pause_of_one_is_no_pause_of_all(tmp_path: Path) -> None:
    one, other = process(tmp_path, 0), process(tmp_path, 1)
    one.ask(0)
    one.it.grants(0.0)
    one.it.end(AttemptOutcome(0, REFUSED, 1.0, call=1), 0.1)
    one.it.exchange(0.5)
    other.ask(1)
    other.it.exchange(2.5)
    assert len(other.it.grants(2.6)) == 1


def test_no_address_of_a_server_is_in_the_files(tmp_path: Path) -> None:
    one = process(tmp_path, 0)
    one.ask(0)
    one.grants()
    one.it.exchange(100.0)
    text = file_of(tmp_path, one.members).read_text(encoding="utf-8")
    assert SERVER not in text
    assert list(json.loads(text)["paces"].values()) == [{"rate": None, "closed_s": 0.0}]


def test_of_two_that_learn_late_of_each_others_claim_one_gives_way(tmp_path: Path) -> None:
    pair = sorted([process(tmp_path), process(tmp_path)], key=lambda each: each.members.me.id)
    for each in pair:
        each.members.me.held.add(RUNS[0].name)  # neither has seen the other's file
        each.accounts.take(0)
        each.members.write()
    said = []
    for each in pair:
        each.it.exchange(100.0)
        each.ask(0)
        each.now = 100.0
        (verdict,) = each.it.grants(101.0)
        said.append((verdict.taken, verdict.reached))
    assert said[0] == (False, "")
    assert said[1] == (True, f"{pair[0].members.me.host}, process {pair[0].members.me.pid}, has claimed this run too")


def test_a_run_that_another_process_has_ends_as_one_that_is_locked(tmp_path: Path) -> None:
    with open_client(NoModel(), tmp_path) as client:
        line = Line(lambda ask: Verdict(ask.run, "somebody has it", call=ask.call, taken=True), lambda _: None)
        gate = SweepGate(0, client, Budget(NONE, client.accounting), line)
        with pytest.raises(RunLockedError, match="somebody has it"):
            gate.enter(Question(1, "search", 0, 1, "prompt"))


def test_what_ray_sends_to_the_process_that_grants_calls_can_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("r2po.sweep.sweep.require_ray", lambda: None)
    config = write_config(tmp_path, {**SMALL, "method": "props", "llm_model_name": "embedded/search"})
    options = SweepOptions(name="mine", caps=Caps(max_llm_calls=2), each=Caps(max_llm_calls=1), ray="auto")
    sweep = Sweep(SweepRequest([str(config)], (), (1, 2)), options, {})
    sweep._company.leave()
    it: Coordinator = pickle.loads(pickle.dumps(sweep._company.coordinator))
    for run in (0, 1):
        it.ask(PermitRequest(run, SERVER))
    assert [verdict.reached for verdict in it.grants(0.0)] == [""]
    it.end(AttemptOutcome(0, ANSWERED, used=Amount(1)), 1.0)
    (verdict,) = it.grants(1.0)
    assert verdict.reached == "max_llm_calls_each is reached: 1 of 1 calls are used by logs/nim"
    assert not list(tmp_path.glob("logs/mine/workers/*"))
