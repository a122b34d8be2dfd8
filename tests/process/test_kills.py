"""Whatever ends a process, at whatever moment: the run goes on, loses nothing and comes to the same end."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.llm.fake_ollama import FakeOllama
from tests.process.processes import CARTPOLE, NIM, logged, player, run_main, start_main, wait_until, write_config

LONGER_CARTPOLE = {**CARTPOLE, "num_iterations": 8}
LONGER_NIM = {**NIM, "num_iterations": 16}
KILLS = 10
LOGS = ("run.yaml", "warmup.jsonl", "iterations.jsonl", "llm_calls.jsonl")


def slow_player(prompt: str) -> str:
    """Take some time, so that kills also land in calls."""
    time.sleep(0.02)
    return player(prompt)


def undisturbed(folder: Path, values: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the log of a run that nobody kills, and the number of its calls."""
    write_config(folder, values)
    with FakeOllama(player) as server:
        assert run_main(folder, server=server).returncode == 0
        return logged(folder / "logs/run_1"), len(server.chats)


def resume_options(folder: Path) -> list[str]:
    return ["--resume", "1"] if (folder / "logs/run_1").exists() else []


def kill_somewhere(folder: Path, server: FakeOllama, rng: random.Random) -> None:
    """Start or resume the run and kill it: while it starts, or some calls later, in a call or between two."""
    process = start_main(folder, *resume_options(folder), server=server)
    more_calls = rng.choice([0, 1, 1, 2])
    calls = len(server.chats) + more_calls
    wait_until(lambda: len(server.chats) >= calls, process)
    time.sleep(rng.uniform(0.0, 0.04 if more_calls else 1.5))
    process.kill()
    process.communicate()


def tear(run: Path, rng: random.Random) -> None:
    """Cut the last line of each log somewhere, as a power cut may."""
    for path in run.glob("*.jsonl"):
        data = path.read_bytes()
        start_of_last = data.rfind(b"\n", 0, -1) + 1
        if data:
            path.write_bytes(data[: rng.randrange(start_of_last, len(data))])


def assert_same_run(run: Path, calm: dict[str, Any]) -> None:
    """All logs are those of an undisturbed run; only the calls may hold some requests more."""
    log = logged(run)
    assert set(log) == set(calm)
    for name in set(calm) - {"llm_calls.jsonl"}:
        assert log[name] == calm[name], name
    assert _replies(log) == _replies(calm)


def _replies(log: dict[str, Any]) -> list[str]:
    return [event["text"] for event in log["llm_calls.jsonl"] if event["event"] == "reply"]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(LONGER_CARTPOLE, id="linear"),
        pytest.param(LONGER_NIM, id="tabular", marks=pytest.mark.slow),
    ],
)
@pytest.mark.sampled(3)
def test_ten_kills_change_nothing_and_cost_at_most_one_call_each(tmp_path: Path, values: Mapping[str, Any]) -> None:
    calm, calls = undisturbed(tmp_path / "calm", values)
    folder = tmp_path / "killed"
    write_config(folder, values)
    rng = random.Random(str(values["gym_env_name"]))
    with FakeOllama(slow_player) as server:
        for _ in range(KILLS):
            kill_somewhere(folder, server, rng)
        last = run_main(folder, *resume_options(folder), server=server)
        assert last.returncode == 0, last.stderr
        assert calls <= len(server.chats) <= calls + KILLS
    assert_same_run(folder / "logs/run_1", calm)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(LONGER_CARTPOLE, id="linear", marks=pytest.mark.slow),
        pytest.param(LONGER_NIM, id="tabular"),
    ],
)
@pytest.mark.sampled(3)
def test_torn_last_lines_are_made_again(tmp_path: Path, values: Mapping[str, Any]) -> None:
    calm, calls = undisturbed(tmp_path / "calm", values)
    folder = tmp_path / "torn"
    write_config(folder, values)
    rng = random.Random(7)
    kills = 6
    with FakeOllama(slow_player) as server:
        for _ in range(kills):
            kill_somewhere(folder, server, rng)
            if not (folder / "logs/run_1/result.json").exists():
                tear(folder / "logs/run_1", rng)
        last = run_main(folder, *resume_options(folder), server=server)
        assert last.returncode == 0, last.stderr
        # A torn reply is asked for again, and so is the call that was under way.
        assert len(server.chats) <= calls + 2 * kills
    assert_same_run(folder / "logs/run_1", calm)


def test_a_run_killed_before_it_was_described_goes_on(tmp_path: Path) -> None:
    calm, _ = undisturbed(tmp_path / "calm", CARTPOLE)
    write_config(tmp_path, CARTPOLE)
    (tmp_path / "logs/run_1").mkdir(parents=True)
    with FakeOllama(player) as server:
        resumed = run_main(tmp_path, "--resume", server=server)
    assert resumed.returncode == 0, resumed.stderr
    assert logged(tmp_path / "logs/run_1") == calm


def test_half_written_files_do_no_harm(tmp_path: Path) -> None:
    calm, _ = undisturbed(tmp_path / "calm", CARTPOLE)
    write_config(tmp_path, CARTPOLE)
    run = tmp_path / "logs/run_1"
    (run / "trajectories").mkdir(parents=True)
    for name in (".run.yaml.tmp", ".result.json.tmp", "trajectories/.iteration_0001.npz.tmp"):
        (run / name).write_bytes(b"schema: 1\nse")
    for name in (".lock", "warmup.jsonl", "iterations.jsonl", "llm_calls.jsonl"):
        (run / name).touch()
    with FakeOllama(player) as server:
        resumed = run_main(tmp_path, "--resume", "1", server=server)
    assert resumed.returncode == 0, resumed.stderr
    assert logged(run) == calm


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.sampled(2)
def test_a_log_damaged_by_something_else_is_named_and_left_alone(tmp_path: Path, name: str) -> None:
    write_config(tmp_path, CARTPOLE)
    run = tmp_path / "logs/run_1"
    with FakeOllama(player) as server:
        assert run_main(tmp_path, server=server).returncode == 0
        (run / "result.json").unlink()
        data = b"!" + (run / name).read_bytes()[9:]
        (run / name).write_bytes(data)
        resumed = run_main(tmp_path, "--resume", server=server)
    assert resumed.returncode == 2
    assert len(resumed.stderr.splitlines()) == 1
    assert name in resumed.stderr
    assert (run / name).read_bytes() == data
