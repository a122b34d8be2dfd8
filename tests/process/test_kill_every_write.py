"""``kill -9`` at every single write of a run: it goes on, loses no reply, pays for none twice, and ends the same.

All of them in one run; in a run of its own each, every seventh unless slow tests run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from r2po.runlog.jsonl import iterate_lines
from tests.llm.fake_ollama import FakeOllama
from tests.process.crashing import Crasher
from tests.process.processes import SMALL, environ, logged, player, write_config

TINY: Mapping[str, Any] = {
    **SMALL,
    "method": "r2po",
    "gym_env_name": "Nim-v0",
    "num_iterations": 2,
    "num_evaluation_episodes": 2,
    "heldout_episodes": 2,
    "warmup_episodes": 1,
}
CALLS = 4
KILLED = -9
MOST_POINTS = 1000
SHORT = 12
"""Kills at every point take a while; in the short version at every twelfth."""


@pytest.fixture(scope="module")
def server() -> Iterator[FakeOllama]:
    with FakeOllama(player) as server:
        yield server


@pytest.fixture(scope="module")
def crasher(server: FakeOllama) -> Iterator[Crasher]:
    with Crasher(environ(server)) as crasher:
        yield crasher


@pytest.fixture(scope="module")
def calm(crasher: Crasher, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The log of a run that nobody kills."""
    folder = tmp_path_factory.mktemp("calm")
    write_config(folder, TINY)
    assert crasher.run(folder) == 0, (folder / "out").read_text()
    return logged(folder / "logs/run_1")


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    path = folder / "logs/run_1/llm_calls.jsonl"
    return [event for event in iterate_lines(path) if event["event"] == kind]


def options(folder: Path) -> list[str]:
    return ["--resume", "1"] if (folder / "logs/run_1").exists() else []


def assert_same_run(folder: Path, calm: dict[str, Any]) -> None:
    log = logged(folder / "logs/run_1")
    assert set(log) == set(calm)
    for name in set(calm) - {"llm_calls.jsonl"}:
        assert log[name] == calm[name], name
    replies = [[each for each in run["llm_calls.jsonl"] if each["event"] == "reply"] for run in (log, calm)]
    assert [each["text"] for each in replies[0]] == [each["text"] for each in replies[1]]


def kill_and_continue(
    folder: Path, point: int, server: FakeOllama, crasher: Crasher, calm: dict[str, Any]
) -> bool | None:
    """Kill a run at one point and continue it; return whether it had to say that a call was lost, None if it ended."""
    write_config(folder, TINY)
    before = len(server.chats)
    code = crasher.run(folder, kill_at=point)
    if code == 0:
        assert_same_run(folder, calm)
        return None
    assert code == KILLED, (folder / "out").read_text()
    answered, asked = len(events(folder, "reply")), len(events(folder, "request"))
    paid = len(server.chats) - before
    assert answered <= paid <= answered + 1
    (folder / "out").unlink()
    assert crasher.run(folder, *options(folder)) == 0, (folder / "out").read_text()
    assert len(server.chats) - before - paid == CALLS - answered
    said = "1 call(s) were under way" in (folder / "out").read_text()
    assert said == (asked > answered)
    assert_same_run(folder, calm)
    return said


@pytest.mark.parametrize("step", [SHORT, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_at_any_write_changes_nothing_and_costs_at_most_one_call(
    step: int, tmp_path: Path, server: FakeOllama, crasher: Crasher, calm: dict[str, Any]
) -> None:
    interrupted: list[bool] = []
    for point in range(1, MOST_POINTS, step):
        said = kill_and_continue(tmp_path / str(point), point, server, crasher, calm)
        if said is None:
            break
        interrupted.append(said)
    assert said is None
    # At least three points for each line of each log, and kills both before and after each request.
    lines = sum(len(content) for name, content in calm.items() if name.endswith(".jsonl"))
    assert len(interrupted) > 3 * lines // step
    assert sum(interrupted) >= (2 * CALLS if step == 1 else 1)


@pytest.mark.slow
def test_one_run_survives_a_kill_at_every_point_in_turn(
    tmp_path: Path, server: FakeOllama, crasher: Crasher, calm: dict[str, Any]
) -> None:
    """Each process is killed one point later than the one before, and starts where that one left the run."""
    write_config(tmp_path, TINY)
    before, kills = len(server.chats), 0
    while (code := crasher.run(tmp_path, *options(tmp_path), kill_at=kills + 1)) != 0:
        assert code == KILLED, (tmp_path / "out").read_text()
        kills += 1
        assert kills < MOST_POINTS
    assert_same_run(tmp_path, calm)
    assert kills > 10
    replies = [json.dumps(event) for event in events(tmp_path, "reply")]
    assert len(replies) == CALLS
    # A request that is on record twice was under way when a kill came.
    lost = len(events(tmp_path, "request")) - CALLS
    assert len(server.chats) - before <= CALLS + lost <= CALLS + kills
