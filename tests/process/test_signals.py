"""Ctrl-C and SIGTERM: at once, with one line that says how to go on, and nothing lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.llm.fake_ollama import FakeOllama, stall, status
from tests.process.processes import (
    CARTPOLE,
    Completed,
    continue_run,
    finish,
    one_line,
    player,
    run_main,
    stall_after,
    start_fresh_main,
    start_main,
    trials,
    wait_until,
    write_config,
)

LIMIT_S = 2.0
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


def stop(process: Any, number: signal.Signals) -> Completed:
    """Send a signal and insist on a prompt end."""
    assert process.poll() is None
    began = time.monotonic()
    process.send_signal(number)
    done = finish(process)
    assert time.monotonic() - began < LIMIT_S
    return done


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.sampled(2)
def test_a_slow_call_is_left_at_once_and_only_that_one_is_asked_again(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    write_config(tmp_path / "calm", CARTPOLE)
    write_config(tmp_path, CARTPOLE)
    with FakeOllama(player) as server:
        assert run_main(tmp_path / "calm", server=server).returncode == 0
        calls = len(server.chats)
    with FakeOllama(player) as server:
        stall_after(server, answers=3)
        process = start_main(tmp_path, server=server)
        wait_until(lambda: len(server.chats) == 4, process)
        stopped = stop(process, number)
    assert stopped.returncode == code
    assert one_line(stopped.stderr).startswith("stopped; to continue: ")
    with FakeOllama(player) as server:
        done = continue_run(tmp_path, stopped.stderr, server)
        assert done.returncode == 0, done.stderr
        assert len(server.chats) == calls - 3
    assert trials(tmp_path / "logs/run_1") == trials(tmp_path / "calm/logs/run_1")


def test_the_wait_between_attempts_is_left_at_once(tmp_path: Path) -> None:
    write_config(tmp_path, CARTPOLE)
    with FakeOllama(player) as server:
        server.always(status(429, headers={"Retry-After": "60"}))
        process = start_main(tmp_path, server=server)
        wait_until(lambda: bool(server.chats), process)
        time.sleep(0.2)
        assert stop(process, signal.SIGINT).returncode == 130


def test_a_stop_during_the_warm_up_also_says_how_to_go_on(tmp_path: Path) -> None:
    values: Mapping[str, Any] = {**CARTPOLE, "warmup_episodes": 10_000_000}
    write_config(tmp_path, values)
    warmup = tmp_path / "logs/run_1/warmup.jsonl"
    with FakeOllama(player) as server:
        process = start_main(tmp_path, "--quiet", server=server)
        wait_until(lambda: warmup.exists() and warmup.stat().st_size > 1000, process)
        stopped = stop(process, signal.SIGTERM)
    assert stopped.returncode == 143
    assert one_line(stopped.stderr).endswith("--resume 1")


def test_a_stop_before_the_run_began_leaves_nothing(tmp_path: Path) -> None:
    write_config(tmp_path, {**CARTPOLE, "logdir": "new/logs"})
    with FakeOllama(player) as server:
        server.always(stall(), "/api/tags")
        process = start_main(tmp_path, server=server)
        wait_until(lambda: bool(server.requests), process)
        stopped = stop(process, signal.SIGINT)
    assert stopped.returncode == 130
    assert one_line(stopped.stderr) == "stopped before the run began"
    assert not (tmp_path / "new").exists()


def has_loaded(process: int, library: str) -> bool:
    return library in Path(f"/proc/{process}/maps").read_text()


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.sampled(2)
def test_a_stop_while_the_program_loads_is_no_error(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """Pydantic would turn an interrupt in the middle of building a model into an error of its own."""
    write_config(tmp_path, CARTPOLE)
    for _ in range(4):
        with FakeOllama(player) as server:
            server.always(stall(), "/api/tags")
            process = start_fresh_main(tmp_path, server=server)
            wait_until(partial(has_loaded, process.pid, "_pydantic_core"), process)
            process.send_signal(number)
            stopped = finish(process)  # as soon as it has loaded, which depends on the machine
        assert (stopped.returncode, stopped.stdout) == (code, "")
        assert stopped.stderr in ("", "stopped before the run began\n")


def test_a_forecast_in_several_processes_is_left_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    write_config(tmp_path, {**CARTPOLE, "num_iterations": 1000})
    made_in = tmp_path / "temporary"
    made_in.mkdir()
    episodes = "--set=num_evaluation_episodes=200,201,202,203,204"
    process = start_main(tmp_path, episodes, "--runs=2", "--dry-run", TMPDIR=str(made_in))
    wait_until(lambda: bool(list(made_in.rglob("iterations.jsonl"))), process)
    stopped = stop(process, signal.SIGTERM)
    assert (stopped.returncode, stopped.stderr) == (143, "")
    assert not list(made_in.iterdir())
