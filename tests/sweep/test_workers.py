"""Several processes divide the runs of a sweep, come and go, and keep to its caps together."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from r2po.cli import main
from r2po.errors import InputError
from r2po.sweep.manifest import find, read
from r2po.sweep.members.onlookers import seen_from_outside
from r2po.sweep.messages import Ended
from r2po.sweep.plan import SweepRequest
from r2po.sweep.status import print_status
from r2po.sweep.sweep import Sweep, SweepOptions
from tests.llm.fake_ollama import FakeOllama
from tests.process.processes import (
    REPOSITORY,
    finish,
    one_line,
    player,
    records,
    start_main,
    wait_until,
    write_config,
)
from tests.sweep.sweeping import SMALL, results, run_sweep, start_sweep, write_experiments

TINY: dict[str, Any] = {**SMALL, "method": "props", "num_iterations": 3}


class Held:
    """Answers some calls, and the others when it may."""

    def __init__(self, at_once: int) -> None:
        self.may_answer = threading.Event()
        self.left = itertools.count(at_once, -1)

    def __call__(self, prompt: str) -> str:
        if next(self.left) <= 0:
            self.may_answer.wait()
        return player(prompt)


def without_locks(folder: Path) -> dict[str, str]:
    """Return an environment in which the file system only pretends to lock."""
    (folder / "sitecustomize.py").write_text("import fcntl\nfcntl.flock = lambda *_: None\n")
    paths = (str(folder), str(REPOSITORY), os.environ.get("PYTHONPATH", ""))
    return {"PYTHONPATH": os.pathsep.join(paths)}


def told(folder: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what the file of a process says."""
    (path,) = folder.glob(f"logs/sweep-*/workers/*-{process.pid}-*.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def no_reply_was_asked_for_again(folder: Path) -> bool:
    """Whether each request after a reply is one for another call."""
    for path in folder.glob("logs/*/run_*/llm_calls.jsonl"):
        places: dict[int, tuple[str, int]] = {}
        answered: set[tuple[str, int]] = set()
        for event in records(path):
            if event["event"] == "request":
                places[event["call"]] = (event["key"], event["iteration"])
                if places[event["call"]] in answered:
                    return False
            elif event["event"] == "reply":
                answered.add(places[event["call"]])
    return True


def test_started_at_the_same_moment_they_divide_the_runs_and_keep_a_cap_and_one_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*write_experiments(tmp_path / "calm"), "--runs", "2", "--jobs", "1"]
    with FakeOllama(player) as server:
        assert run_sweep(tmp_path / "calm", *command, server=server).returncode == 0
        calls = len(server.chats)
    folder, held = tmp_path / "shared", Held(6)
    write_experiments(folder)
    with FakeOllama(held) as server:
        shared, cap = [*command, "--worker", "--max-llm-calls"], str(calls - 5)
        pair = [start_sweep(folder, *shared, cap, server=server) for _ in range(2)]
        wait_until(lambda: len(server.chats) >= 6 + 2, pair[0])  # each has a call under way
        claims = [told(folder, process)["held"] for process in pair]
        for sweep in find(folder / "logs")[0]:
            print_status(sweep, everything=False)
        os.kill(pair[0].pid, signal.SIGKILL)
        pair[0].communicate()
        held.may_answer.set()
        stopped = finish(pair[1])
        assert stopped.returncode == 1
        assert f"max_llm_calls is reached: {cap} of {cap} calls are used by the sweep" in stopped.stderr
        assert len(server.chats) == int(cap)  # the call that was under way in the killed process counts
        done = run_sweep(folder, *shared, str(2 * calls), server=server)
        assert done.returncode == 0, done.stderr
        assert calls <= len(server.chats) <= calls + 1
    assert [len(runs) for runs in claims] == [1, 1]
    assert claims[0] != claims[1]
    shown = " ".join(capsys.readouterr().out.split())
    for process, (run,) in zip(pair, claims, strict=True):
        assert f"process {process.pid}: 1 run: {run}; heard of " in shown
    assert results(folder) == results(tmp_path / "calm")
    assert len(results(folder)) == 4
    assert no_reply_was_asked_for_again(folder)
    assert not list(folder.glob("logs/sweep-*/workers/*.json"))


@pytest.mark.slow
def test_a_run_that_somebody_else_has_is_made_when_it_is_given_back(tmp_path: Path) -> None:
    write_config(tmp_path, TINY)
    held = Held(1)
    with FakeOllama(held) as server:
        single = start_main(tmp_path, server=server)  # no part of the sweep
        wait_until(lambda: len(server.chats) >= 2, single)
        worker = start_sweep(tmp_path, "config.yaml", "--runs", "2", "--worker", "--jobs", "1", server=server)
        wait_until(lambda: len(server.chats) >= 3, worker)
        single.terminate()
        assert finish(single).returncode == 143
        held.may_answer.set()
        done = finish(worker)
        assert done.returncode == 0, done.stderr
    assert len(results(tmp_path)) == 2


@pytest.mark.slow
def test_the_plain_command_beside_a_worker_leaves_it_its_run(tmp_path: Path) -> None:
    write_config(tmp_path, TINY)
    command, held = ["config.yaml", "--runs", "3", "--jobs", "1"], Held(0)
    with FakeOllama(held) as server:
        worker = start_sweep(tmp_path, *command, "--worker", server=server)
        wait_until(lambda: len(server.chats) >= 1, worker)
        plain = start_sweep(tmp_path, *command, server=server)
        wait_until(lambda: len(server.chats) >= 2, plain)
        second = run_sweep(tmp_path, *command, server=server)  # of which there is one at a time
        held.may_answer.set()
        done = [finish(process) for process in (worker, plain)]
        assert len(server.chats) == 3 * TINY["num_iterations"]
    assert second.returncode == 2
    assert "is being run by another process" in one_line(second.stderr)
    assert done[0].returncode == 0, done[0].stderr
    assert done[1].returncode == 1
    assert "logs/nim/run_1 is being run by another process" in done[1].stderr
    assert len(results(tmp_path)) == 3


@pytest.mark.slow
def test_sigterm_gives_the_runs_back_and_the_command_it_names_goes_on(tmp_path: Path) -> None:
    command = [*write_experiments(tmp_path), "--runs", "2", "--worker", "--jobs", "2"]
    held = Held(4)
    with FakeOllama(held) as server:
        worker = start_sweep(tmp_path, *command, server=server)
        wait_until(lambda: len(server.chats) >= 6, worker)  # four are answered, two under way
        folder = next(tmp_path.glob("logs/sweep-*"))
        worker.terminate()
        stopped = finish(worker)
        assert stopped.returncode == 143
        assert not list(folder.glob("workers/*.json"))
        held.may_answer.set()
        assert one_line(stopped.stderr).endswith("r2po sweep props.yaml r2po.yaml --runs 2 --worker --jobs 2")
        done = run_sweep(tmp_path, folder.name, "--worker", "--jobs", "1", server=server)
    assert done.returncode == 0, done.stderr
    assert len(results(tmp_path)) == 4
    assert "0 complete, 2 to resume, 2 to start" in done.stdout


def test_where_locks_keep_nobody_out_no_run_is_made_twice(tmp_path: Path) -> None:
    write_config(tmp_path, TINY)
    command = ["config.yaml", "--runs", "4", "--worker", "--jobs", "1"]
    with FakeOllama(player) as server:
        crowd = [start_sweep(tmp_path, *command, server=server, **without_locks(tmp_path)) for _ in range(2)]
        done = [finish(process) for process in crowd]
        assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
        assert len(server.chats) == 4 * TINY["num_iterations"]
    assert all("runs are claimed by files alone" in each.stdout for each in done)
    assert len(results(tmp_path)) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--worker"], "'logs/mine' is neither a config file nor a sweep, which has a sweep.json"),
        (["--worker", "--ray", "auto"], "--worker and --ray exclude each other"),
    ],
)
def test_what_makes_no_sweep_is_named(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "logs/mine", *options]) == 2
    assert said in one_line(capsys.readouterr().err)


@pytest.mark.slow
def test_three_processes_keep_a_cap_together(tmp_path: Path) -> None:
    command = [*write_experiments(tmp_path), "--runs", "4", "--worker", "--jobs", "1", "--max-llm-calls"]
    with FakeOllama(player) as server:
        crowd = [start_sweep(tmp_path, *command, "31", server=server) for _ in range(3)]
        wait_until(lambda: len(server.chats) >= 10, crowd[0])
        os.kill(crowd[0].pid, signal.SIGKILL)
        crowd[0].communicate()
        stopped = [finish(process) for process in crowd[1:]]
        # A call that was under way in the killed process may or may not have reached the server, but counts.
        assert 31 - 1 <= len(server.chats) <= 31
        assert [each.returncode for each in stopped] == [1, 1]
        for each in stopped:
            assert "max_llm_calls is reached: 31 of 31 calls are used by the sweep" in each.stderr
            assert each.stderr.splitlines()[-1].endswith("--max-llm-calls 62")
    assert no_reply_was_asked_for_again(tmp_path)


@pytest.mark.slow
def test_caps_hold_only_if_all_processes_have_them(tmp_path: Path) -> None:
    write_config(tmp_path, TINY)
    held = Held(0)
    with FakeOllama(held) as server:
        command = ["config.yaml", "--runs", "2", "--jobs", "1", "--worker"]
        first = start_sweep(tmp_path, *command, "--max-llm-calls", "100", server=server)
        wait_until(lambda: len(server.chats) >= 1, first)
        second = run_sweep(tmp_path, *command, server=server)
        held.may_answer.set()
        assert finish(first).returncode == 0
    assert second.returncode == 2
    assert f"process {first.pid}, works on this sweep with caps" in one_line(second.stderr)


@pytest.mark.slow
def test_an_experiment_whose_budget_is_spent_stops_and_the_others_go_on(tmp_path: Path) -> None:
    prices = {"input": 1e6, "output": 1e6}  # a unit of money for each token
    write_experiments(tmp_path, prices=prices, max_output_tokens=60)
    write_config(
        tmp_path, {**SMALL, "method": "props", "logdir": "logs/free", "prices": {"input": 0, "output": 0}}, "f"
    )
    command = ["props.yaml", "r2po.yaml", "f", "--runs", "2", "--jobs", "2", "--max-cost-each"]
    with FakeOllama(player) as server:
        stopped = run_sweep(tmp_path, *command, "4000", server=server)
        assert stopped.returncode == 1
        spent = {name: cost(tmp_path / "logs" / name) for name in ("nim_props", "nim_r2po", "free")}
        assert len(list(tmp_path.glob("logs/free/run_*/result.json"))) == 2
        reason, again = stopped.stderr.splitlines()
        assert "max_cost_each is reached: " in reason
        assert again.endswith("--max-cost-each 8000")
    assert 2500 < spent["nim_props"] <= 4000
    assert 2500 < spent["nim_r2po"] <= 4000


def cost(experiment: Path) -> float:
    """Return what the tokens of an experiment cost at a unit each."""
    usages = [
        event["usage"]
        for path in experiment.glob("run_*/llm_calls.jsonl")
        for event in records(path)
        if event["event"] == "reply"
    ]
    return float(sum(usage["prompt_tokens"] + usage["completion_tokens"] for usage in usages))


def joined(tmp_path: Path, seeds: tuple[int, ...], *, worker: bool = True) -> Sweep:
    """Return a sweep of this process, ready to be run."""
    config = write_config(tmp_path, {**TINY, "llm_model_name": "embedded/search", "logdir": str(tmp_path / "logs/nim")})
    return Sweep(SweepRequest([str(config)], (), seeds), SweepOptions(name="mine", worker=worker, quiet=True), {})


def test_a_sweep_with_other_runs_is_not_joined_and_nothing_is_left_behind(tmp_path: Path) -> None:
    first = joined(tmp_path, (1, 2))
    with pytest.raises(InputError, match="belongs to a sweep with other runs"):
        joined(tmp_path, (1, 2, 3))
    assert [each.over for each, _, _ in seen_from_outside(tmp_path / "logs/mine")].count(False) == 1
    first._company.leave()
    assert not list(tmp_path.glob("logs/mine/workers/*.json"))


def test_a_failure_is_tried_again_by_the_first_of_the_next_workers_only(tmp_path: Path) -> None:
    first = joined(tmp_path, (1, 2))
    first.hear(Ended(0, "failed", "no money"))
    second = joined(tmp_path, (1, 2))
    assert read(tmp_path / "logs/mine").failures == {"nim/run_1": "no money"}
    second.hear(Ended(1, "failed", "no time"))
    assert read(tmp_path / "logs/mine").failures == {"nim/run_1": "no money", "nim/run_2": "no time"}
    for each in (first, second):
        each._company.leave()
    third = joined(tmp_path, (1, 2))
    assert read(tmp_path / "logs/mine").failures == {}
    third._company.leave()


def test_what_another_process_is_writing_is_not_damaged(tmp_path: Path) -> None:
    run = tmp_path / "logs/nim/run_1"
    run.mkdir(parents=True)
    (run / "iterations.jsonl").write_text("its other files are not there yet\n")
    first = joined(tmp_path, (1, 2))
    assert first.board.runs[0].state == "damaged"
    first._company._members.me.held.add("nim/run_1")  # type: ignore[union-attr]
    first._company._members.write()  # type: ignore[union-attr]
    second = joined(tmp_path, (1, 2))
    assert second.board.runs[0].state == "waiting"
    for each in (first, second):
        each._company.leave()
