"""``kill -9`` at the writes of a run whose policies are code: no evaluation is made twice, and it ends the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from r2po.runlog.jsonl import iterate_lines
from tests.codes import CRASHES, GOOD
from tests.llm.fake_ollama import FakeOllama
from tests.process.crashing import Crasher
from tests.process.processes import SMALL, environ, logged, write_config
from tests.process.test_kill_every_write import KILLED, MOST_POINTS, assert_same_run, options

TINY: Mapping[str, Any] = {
    **SMALL,
    "method": "r2po",
    "gym_env_name": "CartPole-v1",
    "policy": "code",
    "num_iterations": 2,
    "num_evaluation_episodes": 2,
    "heldout_episodes": 2,
    "warmup_episodes": 1,
    "max_traj_length": 15,
}


def coder(prompt: str) -> str:
    """Write a program that the prompt alone decides on; one of four crashes."""
    digest = hashlib.sha256(prompt.partition("\n\nYour previous reply")[0].encode()).digest()
    source = (CRASHES if digest[0] % 4 == 0 else GOOD).format(gain=digest[1] / 100)
    return f"```python\n{source}\n```"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeOllama]:
    with FakeOllama(coder) as server:
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


def names(folder: Path) -> list[str]:
    return [record["name"] for record in iterate_lines(folder / "logs/run_1/evaluations.jsonl")]


@pytest.mark.slow
def test_a_kill_at_every_point_in_turn_changes_nothing(
    tmp_path: Path, server: FakeOllama, crasher: Crasher, calm: dict[str, Any]
) -> None:
    write_config(tmp_path, TINY)
    kills = 0
    while (code := crasher.run(tmp_path, *options(tmp_path), kill_at=kills + 1)) != 0:
        assert code == KILLED, (tmp_path / "out").read_text()
        kills += 1
        assert kills < MOST_POINTS
    assert_same_run(tmp_path, calm)
    assert kills > 10
    assert len(names(tmp_path)) == len(set(names(tmp_path))) == len(calm["evaluations.jsonl"])


@pytest.mark.slow
def test_a_kill_at_any_write_changes_nothing(
    tmp_path: Path, server: FakeOllama, crasher: Crasher, calm: dict[str, Any]
) -> None:
    kills = 0
    for point in range(1, MOST_POINTS, 5):  # before, in or after a write, in turn
        folder = tmp_path / str(point)
        write_config(folder, TINY)
        if crasher.run(folder, kill_at=point) == 0:
            break
        kills += 1
        assert crasher.run(folder, *options(folder)) == 0, (folder / "out").read_text()
        assert_same_run(folder, calm)
        assert len(names(folder)) == len(set(names(folder)))
    lines = sum(len(content) for name, content in calm.items() if name.endswith(".jsonl"))
    assert kills > lines // 2
