"""Damaged, missing and wrong log files: named in one line and left out, never fatal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.analysis.logs.load import load_log_directory
from r2po.errors import InputError
from tests.analysis.made_logs import iteration, write_lines, write_run


def rewrite(run: Path, line: int, **changes: Any) -> None:
    """Change keys of a line of ``iterations.jsonl``; lines count from 1."""
    records = [json.loads(text) for text in (run / "iterations.jsonl").read_text().splitlines()]
    records[line - 1] |= changes
    write_lines(run, records)


def candidates_with(value: Any) -> list[dict[str, Any]]:
    return [{"stage": "proposal", "returns": [1.0]}, {"stage": "revision", "returns": [1.0, value]}]


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no run.yaml": (lambda run: (run / "run.yaml").unlink(), "it has no run.yaml"),
    "empty run.yaml": (lambda run: (run / "run.yaml").write_text(""), "run.yaml is damaged"),
    "torn run.yaml": (lambda run: (run / "run.yaml").write_text("schema: 1\nseed: [3"), "run.yaml is damaged"),
    "short run.yaml": (
        lambda run: (run / "run.yaml").write_text("schema: 1\nseed: 3\n"),
        "run.yaml: protocol is missing",
    ),
    "newer schema": (lambda run: (run / "run.yaml").write_text("schema: 99\n"), "schema 99"),
    "run.yaml is a folder": (lambda run: replace_by_folder(run / "run.yaml"), "directory"),
    "no iterations file": (lambda run: (run / "iterations.jsonl").unlink(), "no complete iteration"),
    "only a torn line": (lambda run: write_lines(run, [], torn='{"iteration":1'), "no complete iteration"),
    "noise in the middle": (
        lambda run: write_lines(run, [iteration(1, 1.0)], torn="x\n"),
        "damaged log: iterations.jsonl, line 2: not a JSON object",
    ),
    "bytes that are no text": (
        lambda run: (run / "iterations.jsonl").write_bytes(b"\xff\xfe\x00\n"),
        "iterations.jsonl, line 1",
    ),
    "deeply nested": (lambda run: (run / "iterations.jsonl").write_text("[" * 100_000 + "\n"), ""),
    "nan reward": (lambda run: rewrite(run, 2, reward=float("nan")), "iterations.jsonl, line 2: reward is nan"),
    "infinite reward": (lambda run: rewrite(run, 1, reward=float("-inf")), "line 1: reward is -inf"),
    "absurd reward": (lambda run: rewrite(run, 1, reward=1e300), "line 1: reward is 1e+300"),
    "huge whole number": (lambda run: rewrite(run, 1, reward=10**400), "line 1: reward is 1000000"),
    "text for a reward": (lambda run: rewrite(run, 1, reward="3.0"), "line 1: reward is '3.0'"),
    "missing reward": (lambda run: write_lines(run, [{"iteration": 1}]), "line 1: reward is missing"),
    "accepted out of range": (lambda run: rewrite(run, 1, accepted=2), "accepted is 2"),
    "negative model time": (lambda run: rewrite(run, 1, times={"llm_s": -1.0}), "times.llm_s is -1.0"),
    "a line twice": (
        lambda run: write_lines(run, [iteration(1, 1.0), iteration(1, 1.0)]),
        "line 2: iteration is 1; expected 2",
    ),
    "episodes run backwards": (lambda run: rewrite(run, 2, episodes=3), "line 2: episodes is 3; expected more than"),
    "torn result": (lambda run: (run / "result.json").write_text('{"iterations": 3'), "result.json"),
    "nan result": (
        lambda run: (run / "result.json").write_text(
            '{"iterations":3,"heldout_reward":NaN,"heldout_std":null,"heldout_episodes":1}'
        ),
        "result.json is damaged: heldout_reward is nan",
    ),
    "lines lost from a complete run": (
        lambda run: write_lines(run, [iteration(1, 1.0)]),
        "result.json counts 3 iterations, iterations.jsonl has 1",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_run_is_named_and_left_out(name: str, tmp_path: Path) -> None:
    damage, expected = DAMAGE[name]
    write_run(tmp_path, 1, [1.0, 2.0, 3.0])
    damage(write_run(tmp_path, 2, [1.0, 2.0, 3.0]))
    logs = load_log_directory(tmp_path)
    assert [run.name for run in logs.runs] == ["run_1"]
    (problem,) = logs.problems
    assert problem.startswith("run_2: ")
    assert expected in problem
    assert "\n" not in problem
    assert len(problem) < 300


DAMAGED_CANDIDATES: dict[str, tuple[Any, str]] = {
    "nan return": (candidates_with(float("nan")), "candidates.1.returns.1 is nan"),
    "text for a return": (candidates_with("3"), "candidates.1.returns.1 is '3'"),
    "no returns": ([{"stage": "proposal", "returns": []}, {}], "candidates.0.returns is []"),
    "no stage": ([{"returns": [1.0]}, {"returns": [1.0]}], "candidates.0.stage is missing"),
}


@pytest.mark.parametrize("name", DAMAGED_CANDIDATES)
def test_damaged_candidates_are_named_and_the_reward_is_kept(name: str, tmp_path: Path) -> None:
    candidates, expected = DAMAGED_CANDIDATES[name]
    rewrite(write_run(tmp_path, 1, [1.0, 2.0, 3.0]), 2, candidates=candidates)
    (run,) = load_log_directory(tmp_path).runs
    assert [returns is None for returns in run.returns] == [False, True, False]
    assert [each.number for each in run.iterations] == [1, 2, 3]
    damaged = run.iterations[1]
    assert damaged.problem.startswith(f"iterations.jsonl, line 2: {expected}")
    assert [(each.reward, each.params) for each in damaged.candidates] == [(2.0, None)]
    assert damaged.accepted == 0
    np.testing.assert_array_equal(run.rewards, [1.0, 2.0, 3.0])


def test_candidates_that_are_no_objects_are_damage(tmp_path: Path) -> None:
    rewrite(write_run(tmp_path, 1, [1.0, 2.0]), 2, candidates=[1, 2])
    with pytest.raises(InputError, match=r"line 2: candidates\.0 is 1"):
        load_log_directory(tmp_path)


def test_reads_the_accepted_candidate(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [5.0, 6.0])
    (run,) = load_log_directory(tmp_path).runs
    np.testing.assert_array_equal(run.returns[1], [4.0, 5.0, 7.0, 8.0])
    np.testing.assert_array_equal(run.episodes, [14, 18])
    np.testing.assert_array_equal(run.llm_s, [1.0, 2.0])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("cartpole_prop", "no log directory '{}/cartpole_prop' (did you mean '{}/cartpole_props'?)"),
        ("a_file", "is a file; expected a log directory"),
        ("cartpole_props/run_1", "is a single run; give the log directory above it: --logdir {}/cartpole_props"),
        ("", "holds no run_N; log directories in it: {}/cartpole_props"),
        ("empty", "is not a log directory: it holds no run_N"),
        ("unusable", "no usable run in '{}/unusable': run_1: it has no run.yaml, nor"),
    ],
)
def test_unusable_folder_is_an_input_error(given: str, expected: str, tmp_path: Path) -> None:
    write_run(tmp_path / "cartpole_props", 1, [1.0])
    (tmp_path / "a_file").touch()
    for folder in ("empty", "unusable/run_1", "unusable/run_4"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(InputError) as caught:
        load_log_directory(tmp_path / given)
    assert expected.replace("{}", str(tmp_path)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_given_from_inside_names_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_run(tmp_path, 1, [1.0]))
    with pytest.raises(InputError, match=f"--logdir {tmp_path}"):
        load_log_directory(".")
