"""What people ask of a sweep while it is at work, in real processes: pause, resume, stop, other limits."""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from r2po.cli import main
from r2po.errors import InputError
from r2po.llm.ledger import Amount, Caps, Ledger
from r2po.runlog.events import EventWriter
from r2po.runlog.jsonl import Appender
from r2po.runlog.lock import Lock
from r2po.sweep import asking
from r2po.sweep.caps import usage_of
from r2po.sweep.cluster.clerk import Clerk
from r2po.sweep.control import Answer, Ear, Orders, change, read_orders
from r2po.sweep.coordinator import Coordinator
from r2po.sweep.from_logs import read_unchecked
from r2po.sweep.manifest import LOCK, Manifest
from r2po.sweep.messages import ANSWERED, UNANSWERED, AttemptOutcome, Instruction, PermitRequest, Progress
from r2po.sweep.plan import SweepRequest, plan
from r2po.sweep.sweep import Sweep, SweepOptions
from r2po.sweep.workers.pool import Pool
from tests.llm.fake_ollama import FakeOllama
from tests.process.processes import NIM, finish, one_line, player, wait_until, write_config
from tests.sweep.sweeping import results, start_sweep, write_experiments

SERVER = "http://server"


class Held(FakeOllama):
    """Answers a number of calls at once, and each later one only when it is let go."""

    def __init__(self, at_once: int) -> None:
        super().__init__(self._play)
        self.left = threading.Semaphore(at_once)

    def _play(self, prompt: str) -> str:
        self.left.acquire()
        return player(prompt)

    def let_go(self, calls: int = 10_000) -> None:
        self.left.release(calls)


@contextmanager
def held(at_once: int) -> Iterator[Held]:
    with Held(at_once) as server:
        try:
            yield server
        finally:
            server.let_go()


@pytest.fixture(autouse=True)
def on_one_core() -> Iterator[None]:
    """Let sweeps have one worker process: starting another one takes longer than all runs."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


Say = Callable[..., str]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Give a command in the folder of the test; returns what it prints."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> str:
        assert main(arguments) == 0
        return capsys.readouterr().out

    return called


def test_fewer_runs_more_runs_a_pause_a_stop_and_a_start_lose_nothing(
    tmp_path: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*write_experiments(tmp_path), "--runs", "2", "--name", "one", "--jobs", "4"]
    folder = Path("logs/one")
    with held(4) as server:
        sweep = start_sweep(tmp_path, *command, server=server)
        wait_until(lambda: len(server.chats) == 4 + 4, sweep)  # each run waits for a reply
        fewer = "logs/one: jobs 1; 4 runs are under way; 3 of them stop at the next call, to go on later\n"
        assert say("set", "one", "--jobs", "1") == fewer
        server.let_go(4)
        wait_until(lambda: "; 1 run is under way" in asking.set_limits(folder, {"jobs": 1}), sweep)
        wait_until(lambda: len(server.chats) == 8 + 1, sweep)
        assert say("set", "logs/one", "--jobs", "3") == "logs/one: jobs 3; 1 run is under way\n"
        wait_until(lambda: len(server.chats) == 9 + 2, sweep)

        under_way = "3 calls are under way and will be recorded"
        assert say("pause", "one").endswith(f"{under_way}; no new one begins until: r2po resume logs/one\n")
        assert re.search(
            r"  paused\npaused since 20.*: no call begins .*\nset with r2po set: jobs 3", say("status", ".")
        )
        assert say("stop", "one") == f"logs/one stops: {under_way} first; to continue: r2po sweep logs/one\n"
        server.let_go()
        done = finish(sweep)
        assert (done.returncode, len(server.chats)) == (130, 11)
        assert one_line(done.stderr).startswith("stopped; to continue: python -m r2po sweep props.yaml")
        assert done.stderr.endswith(" --name one --jobs 3\n")

        again = start_sweep(tmp_path, "logs/one", server=server)  # that stop is not for this process
        wait_until(lambda: ": no call is under way; no new one begins" in asking.pause(folder), again)
        assert len(server.chats) == 11
        assert say("resume", "one").startswith("logs/one is no longer paused: ")
        over = finish(again)
        assert over.returncode == 0, over.stderr
        assert "no call begins until: r2po resume logs/one" in over.stdout
        disturbed, calls = results(tmp_path), len(server.chats)
    assert not list(folder.glob("control-answer*"))
    assert say("stop", "one") == "nobody works on logs/one now: there is nothing to stop\n"
    (tmp_path / "calm").mkdir()
    monkeypatch.chdir(tmp_path / "calm")
    with FakeOllama(player) as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        for config in write_experiments(Path()):
            for seed in ("1", "2"):
                say("run", "--config", config, "--seed", seed)
        assert (results(Path()), len(server.chats)) == (disturbed, calls)


@pytest.mark.slow  # what it is made of is tested below: what is counted, and what a process refuses
def test_a_cap_that_is_set_on_the_way_counts_all_calls_before(tmp_path: Path, say: Say) -> None:
    command = [*write_experiments(tmp_path), "--runs", "2", "--name", "one"]
    with held(6) as server:
        sweep = start_sweep(tmp_path, *command, server=server)
        wait_until(lambda: len(server.chats) == 6 + 4, sweep)
        folder = tmp_path / "logs/one"
        with pytest.raises(InputError, match=r"stays as it is: --max-cost needs prices.input and prices.output; "):
            asking.set_limits(folder, {"max_cost": 5.0})
        assert read_orders(folder).limits == {}
        assert say("set", "one", "--max-llm-calls", "15") == "logs/one: max_llm_calls 15; 4 runs are under way\n"
        server.let_go()
        stopped = finish(sweep)
        assert (stopped.returncode, len(server.chats)) == (1, 15)
        reason, again = stopped.stderr.splitlines()
        assert reason.startswith("error: max_llm_calls is reached: 15 of 15 calls are used by the sweep")
        assert again.endswith("--max-llm-calls 30")
        assert read_orders(folder).limits == {"max_llm_calls": 15}


def test_what_is_set_holds_for_the_next_start_unless_its_command_says_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = {**NIM, "llm_model_name": "embedded/search", "logdir": "logs/nim"}
    request = SweepRequest([str(write_config(tmp_path, values))], (), (1, 2))
    (tmp_path / "logs/one").mkdir(parents=True)
    asking.set_limits(tmp_path / "logs/one", {"jobs": 3, "max_llm_calls": 15})
    for given, calls, limits in ((Caps(), 15, {"jobs": 3, "max_llm_calls": 15}), (Caps(30), 30, {"jobs": 3})):
        sweep = Sweep(request, SweepOptions(name="one", caps=given), {})
        sweep._company.leave()
        assert sweep.limits_set == limits
        assert (sweep._options.jobs, sweep._options.caps.max_llm_calls) == (3, calls)
    back = asking.set_limits(tmp_path / "logs/one", {"jobs": None, "max_cost": 2.0})
    assert "jobs is what its command says, max_cost 2; nobody works on it now; this holds once it is started" in back
    with pytest.raises(InputError, match=r"^the max_cost of r2po set \(--max-cost none takes it back\) needs prices"):
        Sweep(request, SweepOptions(name="one"), {})


def test_with_nobody_at_work_a_pause_holds_for_the_next_start_and_ends_with_resume(tmp_path: Path) -> None:
    nobody = "nobody works on it now"
    paused = f"{tmp_path} is paused; {nobody}; once it is started, no call begins until: r2po resume {tmp_path}"
    assert asking.pause(tmp_path) == paused
    assert re.match(rf"{tmp_path} is paused since 20.*; {nobody}; once it is started", asking.pause(tmp_path))
    goes_on = f"; {nobody}; to continue: r2po sweep {tmp_path}"
    assert asking.resume(tmp_path) == f"{tmp_path} is no longer paused{goes_on}"
    assert asking.resume(tmp_path) == f"{tmp_path} was not paused{goes_on}"


def test_what_a_process_at_work_refuses_is_an_error_and_set_no_longer(tmp_path: Path) -> None:
    asking.set_limits(tmp_path, {"max_cost": 2.0})
    ear = Ear(tmp_path, {})
    at_work = Lock(tmp_path / LOCK)

    def listen() -> None:
        while not ear.look():
            time.sleep(0.01)
        ear.answer(Answer(ear.orders.revision, 1, 1, refused="no prices"))

    listener = threading.Thread(target=listen)
    listener.start()
    with pytest.raises(InputError, match=r"stays as it is: no prices$"):
        asking.set_limits(tmp_path, {"max_cost": 5.0})
    listener.join()
    at_work.close()
    assert read_orders(tmp_path).limits == {"max_cost": 2.0}


# ---- the file ----


@pytest.mark.parametrize(
    "content",
    ["{", "{}", '{"schema": 1}', "[]", "[" * 100_000, json.dumps({"schema": 1, **vars(Orders()), "jobs": 0})],
    ids=str.__len__,
)
def test_a_file_that_is_damaged_is_named_and_changes_nothing_under_way(content: str, tmp_path: Path) -> None:
    change(tmp_path, lambda orders: Orders(paused="2026-01-01"))
    ear = Ear(tmp_path, {})
    (tmp_path / "control.json").write_text(content)
    with pytest.raises(InputError, match=r"control\.json is damaged or was not written by r2po; delete it"):
        Ear(tmp_path, {})
    assert not ear.look()
    assert "is damaged" in ear.problem
    assert ear.orders.paused == "2026-01-01"


def test_a_file_that_is_deleted_asks_for_nothing_and_a_new_stop_is_no_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("r2po.sweep.control.LOOK_S", 0.0)
    change(tmp_path, lambda _: Orders(stop="yesterday", jobs=3))
    ear = Ear(tmp_path, {})
    (tmp_path / "control.json").write_text("{")
    assert not ear.look()
    (tmp_path / "control.json").unlink()  # as the error says
    assert ear.look()
    assert (ear.must_stop, ear.orders) == (False, Orders())
    change(tmp_path, lambda _: Orders(stop="today"))
    assert ear.look()
    assert ear.must_stop
    (tmp_path / "control.json").unlink()
    assert ear.look()
    assert ear.must_stop  # the runs have been told


def test_a_file_of_a_newer_version_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "control.json").write_text(json.dumps({"schema": 2, **vars(Orders())}))
    with pytest.raises(InputError, match="has schema 2; this version of r2po reads up to 1"):
        read_orders(tmp_path)


def test_commands_at_the_same_time_do_not_undo_each_other(tmp_path: Path) -> None:
    def count_up(orders: Orders) -> Orders:
        return Orders(jobs=(orders.jobs or 0) + 1)

    threads = [threading.Thread(target=change, args=(tmp_path, count_up)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_orders(tmp_path).jobs == 20


def test_a_limit_of_the_command_is_the_later_word_and_others_hold(tmp_path: Path) -> None:
    change(tmp_path, lambda _: Orders(jobs=3, max_cost=5.0))
    ear = Ear(tmp_path, {"jobs": 8, "max_cost": None})
    assert read_orders(tmp_path).limits == {"jobs": 3, "max_cost": 5.0}  # another process may be at work
    ear.begin()
    assert ear.orders.limits == read_orders(tmp_path).limits == {"max_cost": 5.0}
    assert ear.orders.caps(Caps(max_tokens=7)) == Caps(max_tokens=7, max_cost=5.0)


def test_an_answer_of_a_process_that_was_killed_is_not_waited_for(tmp_path: Path) -> None:
    ear = Ear(tmp_path, {})
    ear.answer(Answer("old", 1, 1))
    (mine,) = tmp_path.glob("control-answer-*")
    dead = mine.with_name(mine.name.replace(str(mine.stem.rpartition("-")[2]), str(2**22 + 1)))
    mine.rename(dead)
    ear.begin()
    assert (dead.exists(), mine.exists()) == (False, True)
    ear.close()
    assert not mine.exists()


def test_a_command_that_looks_who_is_at_work_keeps_no_sweep_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = write_config(tmp_path, {**NIM, "llm_model_name": "embedded/search", "logdir": "logs/nim"})
    runs = plan(SweepRequest([str(config)], (), (1,)))
    (tmp_path / "logs/one").mkdir(parents=True)
    looking = Lock(tmp_path / "logs/one" / LOCK)
    threading.Timer(0.1, looking.close).start()
    manifest = Manifest.open(tmp_path / "logs/one", runs, print)
    with pytest.raises(InputError, match="is being run by another process"):
        Manifest.open(tmp_path / "logs/one", runs, print)
    manifest.close()


def test_a_sweep_is_found_by_its_folder_or_its_name(tmp_path: Path) -> None:
    for place in ("logs/one", "logs/paper/two", "logs/twin", "logs/paper/twin"):
        manifest = {"schema": 1, "created": "2026-01-01", "runs": [], "failures": {}}
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "sweep.json").write_text(json.dumps(manifest))
    logs = tmp_path / "logs"
    assert asking.find_sweep("two", logs) == logs / "paper/two"
    assert asking.find_sweep(str(logs / "twin"), tmp_path / "elsewhere") == logs / "twin"
    assert asking.find_sweep(str(logs / "twin/sweep.json"), logs) == logs / "twin"
    with pytest.raises(InputError, match=r"2 sweeps have the name 'twin': .*; give the folder"):
        asking.find_sweep("twin", logs)
    with pytest.raises(
        InputError, match=r"no sweep 'tow' below .* \(did you mean 'two'\?\); the latest there: one, twin"
    ):
        asking.find_sweep("tow", logs)


def test_nothing_to_set_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["set", "one"]) == 2
    expected = "error: nothing to set: expected one of --jobs, --max-llm-calls, --max-tokens, --max-cost"
    assert one_line(capsys.readouterr().err) == expected


@pytest.mark.slow
def test_workers_are_paused_resumed_and_stopped_together_and_keep_to_a_cap_set_meanwhile(
    tmp_path: Path, say: Say
) -> None:
    command = [*write_experiments(tmp_path), "--runs", "2", "--name", "one", "--jobs", "1", "--worker"]
    with held(4) as server:
        pair = [start_sweep(tmp_path, *command, server=server) for _ in range(2)]
        wait_until(lambda: len(server.chats) == 4 + 2, pair[0])  # each waits for a reply
        assert "is paused: 2 calls are under way and will be recorded; no new one begins" in say("pause", "one")
        server.let_go(2)
        wait_until(lambda: ": no call is under way;" in asking.pause(Path("logs/one")), pair[0])
        assert say("set", "one", "--max-llm-calls", "9") == "logs/one: max_llm_calls 9; 2 runs are under way\n"
        assert len(server.chats) == 6
        assert say("resume", "one") == "logs/one is no longer paused: 2 runs are under way\n"
        wait_until(lambda: len(server.chats) == 6 + 2, pair[0])
        server.let_go(1)
        wait_until(lambda: len(server.chats) == 9, pair[0])
        server.let_go(1)  # then whoever gets this reply waits for the other's call, which may be the last one
        time.sleep(0.7)
        assert say("stop", "one").startswith("logs/one stops: 1 call is under way and will be recorded first; ")
        server.let_go()
        assert [finish(process).returncode for process in pair] == [130, 130]
        assert len(server.chats) == 9
    assert say("stop", "one") == "nobody works on logs/one now: there is nothing to stop\n"


def test_what_is_set_is_the_later_word_for_a_process_that_joins_others(tmp_path: Path) -> None:
    change(tmp_path, lambda orders: replace(orders, jobs=2, max_cost=80.0))
    given = {"jobs": None, "max_cost": 50.0}
    assert Ear(tmp_path, given, joins=True).orders.limits == {"jobs": 2, "max_cost": 80.0}
    assert Ear(tmp_path, given).orders.limits == {"jobs": 2}


# ---- the coordinator ----


def test_paused_no_call_begins_and_what_waits_keeps_its_order() -> None:
    it = Coordinator(Ledger(Caps(), Amount()))
    it.ask(PermitRequest(0, SERVER))
    assert [verdict.run for verdict in it.grants(0.0)] == [0]
    it.obey(Instruction(paused=True))
    for run in (1, 2):
        it.ask(PermitRequest(run, SERVER))
    assert (it.grants(1.0), it.wait_s(1.0), it.under_way) == ([], None, 1)
    it.end(AttemptOutcome(0, ANSWERED, used=Amount(1)), 2.0)
    it.obey(Instruction())
    assert [verdict.run for verdict in it.grants(3.0)] == [1, 2]


def test_a_stop_answers_those_who_wait_also_while_paused() -> None:
    it = Coordinator(Ledger(Caps(), Amount()))
    it.obey(Instruction(paused=True, stopping=True))
    it.ask(PermitRequest(4, SERVER))
    (verdict,) = it.grants(0.0)
    assert (verdict.run, verdict.reached, it.reached) == (4, "a stop is asked for", None)


def test_only_runs_that_are_given_back_stop() -> None:
    it = Coordinator(Ledger(Caps(), Amount()))
    it.given_back = {2}
    for run in (1, 2):
        it.ask(PermitRequest(run, SERVER))
    assert {verdict.run: verdict.reached for verdict in it.grants(0.0)} == {1: "", 2: "given back"}
    it.forget([2], 1.0)
    it.ask(PermitRequest(2, SERVER))
    assert [verdict.reached for verdict in it.grants(2.0)] == [""]


def test_a_stop_waits_for_calls_and_only_a_while_for_runs_that_make_none(monkeypatch: pytest.MonkeyPatch) -> None:
    it = Coordinator(Ledger(Caps(), Amount()))
    pool = Pool(it, None, workers=1, jobs=1)  # type: ignore[arg-type]
    assert not pool._may_stop()
    it.ask(PermitRequest(0, SERVER))
    it.grants(0.0)
    assert pool.obey(Instruction(stopping=True), 1, 1) == Answer("", 1, 0)
    monkeypatch.setattr("r2po.sweep.workers.pool.SETTLE_S", -1.0)
    assert not pool._may_stop()
    it.end(AttemptOutcome(0, ANSWERED, used=Amount(1)), 1.0)
    assert pool._may_stop()
    monkeypatch.setattr("r2po.sweep.workers.pool.SETTLE_S", 100.0)
    assert not pool._may_stop()


def test_on_a_cluster_the_clerk_answers_those_who_wait_when_a_pause_ends() -> None:
    async def talk() -> None:
        clerk = Clerk(Coordinator(Ledger(Caps(), Amount())))
        assert await clerk.obey(Instruction(paused=True)) == 0
        waiting = asyncio.create_task(clerk.ask(PermitRequest(0, SERVER), 60.0))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await clerk.obey(Instruction())
        assert (await waiting).reached == ""
        assert await clerk.obey(Instruction(stopping=True)) == 1
        assert (await clerk.ask(PermitRequest(1, SERVER), 60.0)).reached == "a stop is asked for"

    asyncio.run(talk())


def test_a_cap_that_is_set_counts_what_was_before_and_each_call_since_once() -> None:
    it = Coordinator(Ledger(Caps(), Amount()))
    for run in (1, 2, 3):
        it.ask(PermitRequest(run, SERVER))
    it.grants(0.0)
    it.end(AttemptOutcome(1, ANSWERED, used=Amount(1, 10)), 1.0)
    it.end(AttemptOutcome(3, UNANSWERED), 1.0)  # it waits for its next attempt
    it.obey(Instruction(caps=Caps(max_llm_calls=10), used=[Amount(4, 60), Amount(1, 40)]))
    it.end(AttemptOutcome(2, ANSWERED, used=Amount(1, 10)), 1.0)
    it.ask(PermitRequest(3, SERVER))
    it.grants(2.0)
    it.end(AttemptOutcome(3, ANSWERED, used=Amount(1, 10)), 3.0)
    assert it.ledger.used == Amount(8, 130)


def test_what_was_used_before_a_sweep_began_is_not_what_its_runs_have_asked_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    request = SweepRequest(
        [str(write_config(tmp_path, {**NIM, "llm_model_name": "embedded/search", "logdir": "logs/nim"}))], (), (1, 2)
    )
    sweep = Sweep(request, SweepOptions(name="one"), {})
    asked: list[Instruction] = []

    def obey(instruction: Instruction, *_: object) -> Answer:
        asked.append(instruction)
        return Answer("", 0, 0)

    place: Any = SimpleNamespace(obey=obey)
    sweep._place = place
    known: list[Progress] = []
    for run in sweep.runs:
        run.path.mkdir(parents=True)
        log = EventWriter(Appender(run.path / "llm_calls.jsonl"), 0, {})
        write_call(log, prompt_tokens=7)
        write_call(log)  # a process was killed then, or it waits for its turn
        known.append(read_unchecked(run.index, run.path, 5))
        write_call(log, prompt_tokens=20)
        write_call(log)
        sweep.hear(replace(known[-1], state="running"))
        log.close()
    assert [each.requests for each in known] == [2, 2]
    for number in (0, 1):
        assert usage_of(sweep.runs, known, number, before=True) == Amount(2, 10, None)
        assert usage_of(sweep.runs, known, number) == Amount(4, 33, None)

    for calls in (10, None, 20):  # nothing was there when it began, and that is counted once
        change(sweep.manifest.folder, lambda orders, calls=calls: replace(orders, max_llm_calls=calls))  # type: ignore[misc]
        monkeypatch.setattr("r2po.sweep.control.LOOK_S", 0.0)
        assert sweep._ear.look()
        sweep._obey()
    assert [each.used for each in asked] == [[Amount(), Amount()], None, None]
    sweep._company.leave()


def write_call(log: EventWriter, prompt_tokens: int | None = None) -> None:
    """Write a request, and with a number of tokens its reply."""
    call = log.request(key="k", iteration=1, role="search", sample=0, attempt=1, prompt="?")
    if prompt_tokens is not None:
        usage = {"prompt_tokens": prompt_tokens, "cached_tokens": None, "completion_tokens": 3}
        said: dict[str, Any] = {"finish": "stop", "refusal": "", "sent": {}, "latency_s": 0.1}
        log.reply(call, text="a", thinking="", usage=usage, **said)
