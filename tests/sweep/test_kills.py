"""Whatever is killed, parent or worker: the same command brings the sweep to the end it would have come to."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.llm.fake_ollama import FakeOllama
from tests.process.processes import finish, player, wait_until
from tests.sweep.sweeping import is_alive, results, run_sweep, start_sweep, workers, write_experiments

JOBS = 6


def slow_player(prompt: str) -> str:
    time.sleep(0.1)
    return player(prompt)


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def wait_for_calls(server: FakeOllama, more: int, process: subprocess.Popen[str]) -> None:
    calls = len(server.chats) + more
    wait_until(lambda: len(server.chats) >= calls, process)


def wait_for_end(processes: list[int]) -> None:
    wait_until(lambda: not any(map(is_alive, processes)))


def test_three_kills_of_parent_and_workers_change_nothing(tmp_path: Path) -> None:
    command = [*write_experiments(tmp_path / "calm"), "--runs", "3", "--jobs", str(JOBS)]
    with FakeOllama(player) as server:
        calm = run_sweep(tmp_path / "calm", *command, server=server)
        assert calm.returncode == 0, calm.stderr
        calls = len(server.chats)
    folder = tmp_path / "killed"
    write_experiments(folder)
    with FakeOllama(slow_player) as server:
        first = start_sweep(folder, *command, server=server)
        wait_for_calls(server, 8, first)
        orphans = workers(first.pid)
        kill(first.pid)
        first.communicate()
        wait_for_end(orphans)  # nobody goes on calling
        second = start_sweep(folder, *command, server=server)
        for _ in range(2):
            wait_for_calls(server, 8, second)
            kill(workers(second.pid)[0])
        done = finish(second)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("a worker process ended (signal 9)") == 2
        assert calls <= len(server.chats) <= calls + 3 * JOBS
    assert results(folder) == results(tmp_path / "calm")
    assert len(results(folder)) == 6


def test_what_is_complete_is_not_run_again(tmp_path: Path) -> None:
    command = [*write_experiments(tmp_path), "--runs", "2"]
    with FakeOllama(player) as server:
        assert run_sweep(tmp_path, *command, server=server).returncode == 0
        calls, before = len(server.chats), results(tmp_path)
        again = run_sweep(tmp_path, *command, server=server)
        assert again.returncode == 0
        assert "4 complete, 0 to resume, 0 to start" in again.stdout
        assert len(server.chats) == calls
        more = run_sweep(tmp_path, *command[:2], "--seeds", "1-3", server=server)
    assert "4 complete, 0 to resume, 2 to start" in more.stdout
    assert {name: log for name, log in results(tmp_path).items() if "run_3" not in name} == before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_one_signal_stops_all_at_once_and_the_command_it_names_goes_on(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    command = [*write_experiments(tmp_path), "--runs", "2"]
    with FakeOllama(slow_player) as server:
        sweep = start_sweep(tmp_path, *command, server=server)
        wait_for_calls(server, 6, sweep)
        below = workers(sweep.pid)
        began = time.monotonic()
        os.killpg(sweep.pid, number) if number == signal.SIGINT else sweep.send_signal(number)
        stopped = finish(sweep)
        assert time.monotonic() - began < 2.0
        assert stopped.returncode == code
        assert not any(map(is_alive, below))
        said = stopped.stderr.splitlines()
        assert len(said) == 1
        assert said[0].startswith("stopped; to continue: python -m r2po sweep props.yaml r2po.yaml --runs 2")
        done = run_sweep(tmp_path, *command, server=server)
    assert done.returncode == 0, done.stderr
    assert len(results(tmp_path)) == 4
