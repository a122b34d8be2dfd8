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

from tests.llm.fake_ollama import FakeOllama
from tests.process.processes import (
    REPOSITORY,
    finish,
    one_line,
    player,
    records,
    run_r2po,
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


def test_started_at_the_same_moment_they_divide_the_runs_and_a_killed_one_is_replaced(tmp_path: Path) -> None:
    command = [*write_experiments(tmp_path / "calm"), "--runs", "3"]
    with FakeOllama(player) as server:
        assert run_sweep(tmp_path / "calm", *command, server=server).returncode == 0
        calls = len(server.chats)
    folder, held = tmp_path / "shared", Held(6)
    write_experiments(folder)
    with FakeOllama(held) as server:
        pair = [start_sweep(folder, *command, "--worker", "--jobs", "2", server=server) for _ in range(2)]
        wait_until(lambda: len(server.chats) >= 6 + 4, pair[0])  # each has two calls under way
        claims = [told(folder, process)["held"] for process in pair]
        shown = run_r2po(folder, "status", "logs").stdout
        os.kill(pair[0].pid, signal.SIGKILL)
        pair[0].communicate()
        held.may_answer.set()
        done = finish(pair[1])
        assert done.returncode == 0, done.stderr
        assert calls <= len(server.chats) <= calls + 2
    assert [len(runs) for runs in claims] == [2, 2]
    assert not set(claims[0]) & set(claims[1])
    for process, runs in zip(pair, claims, strict=True):
        assert f"process {process.pid}: 2 runs: {', '.join(sorted(runs))}; heard of " in shown
    assert results(folder) == results(tmp_path / "calm")
    assert len(results(folder)) == 6
    assert no_reply_was_asked_for_again(folder)
    assert not list(folder.glob("logs/sweep-*/workers/*.json"))


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
    (tmp_path / "sitecustomize.py").write_text("import fcntl\nfcntl.flock = lambda *_: None\n")
    path = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    write_config(tmp_path, TINY)
    command = ["config.yaml", "--runs", "8", "--worker", "--jobs", "1"]
    with FakeOllama(player) as server:
        crowd = [start_sweep(tmp_path, *command, server=server, **path) for _ in range(3)]
        done = [finish(process) for process in crowd]
        assert [each.returncode for each in done] == [0, 0, 0], [each.stderr for each in done]
        assert len(server.chats) == 8 * TINY["num_iterations"]
    assert all("runs are claimed by files alone" in each.stdout for each in done)
    assert len(results(tmp_path)) == 8


def test_what_makes_no_sweep_is_named(tmp_path: Path) -> None:
    missing = run_sweep(tmp_path, "logs/mine", "--worker")
    both = run_sweep(tmp_path, "logs/mine", "--worker", "--ray", "auto")
    assert (missing.returncode, both.returncode) == (2, 2)
    assert "'logs/mine' is neither a config file nor a sweep" in one_line(missing.stderr)
    assert "--worker and --ray exclude each other" in one_line(both.stderr)
