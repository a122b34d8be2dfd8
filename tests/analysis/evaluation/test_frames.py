"""``from r2po import load_runs``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import r2po
from r2po.errors import InputError
from tests.analysis.made_calls import write_calls
from tests.analysis.made_logs import write_run
from tests.analysis.published_format import folder_name, write_published_run


def test_importing_r2po_is_light() -> None:
    heavy = "{'numpy', 'pandas', 'matplotlib', 'gymnasium', 'pydantic'}"
    code = f"import sys, r2po; assert not {heavy} & set(sys.modules); assert not hasattr(r2po, 'nothing')"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_both_formats(tmp_path: Path) -> None:
    write_run(tmp_path / "mine", 1, [3.0, 9.0])
    write_published_run(tmp_path / folder_name("nim", "r2po"), 1, [5.0, 6.0], method="r2po")
    frames = r2po.load_runs(tmp_path)
    assert list(frames.runs["environment"]) == ["nim", "cartpole"]
    assert list(frames.runs["best_reward"]) == [6.0, 9.0]
    assert list(frames.runs["origin"]) == ["published", "r2po"]
    nim = frames.iterations[frames.iterations["environment"] == "nim"]
    assert list(nim["stage"]) == ["proposal", "revision"] * 2
    assert list(nim["candidate_reward"]) == [4.0, 5.0, 5.0, 6.0]
    assert list(nim["accepted"]) == [False, True] * 2
    accepted = frames.iterations[frames.iterations["accepted"]]
    np.testing.assert_array_equal(accepted["candidate_reward"], accepted["reward"])
    np.testing.assert_array_equal(nim["returns"].iloc[0], [3.0, 4.0, 5.0])
    assert list(frames.calls["role"]) == ["search", "critic"] * 2
    assert frames.calls["reply"].str.contains("params").all()
    assert len(r2po.load_runs(tmp_path, calls=False).calls) == 0
    assert len(r2po.load_runs(tmp_path, only_env=["nim"]).runs) == 1


def test_a_critic_of_its_own_is_a_column(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, [1.0])
    write_run(tmp_path / "b", 1, [2.0], description={"critic_model": "big"})
    frames = r2po.load_runs(tmp_path, calls=False)
    means = frames.runs.groupby(["model", "critic_model"])["best_reward"].mean()
    assert means.to_dict() == {("ollama/some-model", ""): 1.0, ("ollama/some-model", "big"): 2.0}
    assert list(frames.iterations["critic_model"]) == ["", "", "big", "big"]


def test_the_keys_of_the_config_are_columns(tmp_path: Path) -> None:
    settings: tuple[dict[str, Any], ...] = (
        {"temperature": 0.0},
        {"temperature": 1.0},
        {"env_kwargs": {"is_slippery": True}},
        {},
    )
    for number, config in enumerate(settings, 1):
        write_run(tmp_path, number, [1.0], config={"temperature": None, "env_kwargs": {}, **config})
    write_run(tmp_path, 5, [1.0], description={"replay_of": "somewhere"}, config={"num_iterations": 9})
    runs = r2po.load_runs(tmp_path).runs.sort_values("run")
    assert [str(value) for value in runs["temperature"]] == ["0.0", "1.0", "nan", "nan", "nan"]
    assert list(runs["env_kwargs"])[:4] == ["{}", "{}", '{"is_slippery": true}', "{}"]
    assert list(runs["replay_of"]) == ["", "", "", "", "somewhere"]
    assert list(runs["num_evaluation_episodes"]) == [4] * 5
    # What has a column of its own keeps its meaning: iterations done, the seed of the run.
    assert (list(runs["num_iterations"]), list(runs["planned_iterations"])) == ([1] * 5, [1] * 4 + [9])
    assert list(runs["seed"]) == [1, 2, 3, 4, 5]
    assert runs.columns.is_unique
    assert len(runs.groupby(["temperature", "env_kwargs"], dropna=False)) == 5


def test_problems_are_told(tmp_path: Path) -> None:
    run = write_published_run(tmp_path / folder_name("nim", "r2po"), 1, [5.0], method="r2po")
    (run / "episode_0" / "reflection_outcome.txt").unlink()
    (tmp_path / "other" / "run_1").mkdir(parents=True)
    problems = r2po.load_runs(tmp_path).problems
    assert any("episode_0 does not hold all candidates" in line for line in problems)
    assert any("it has no run.yaml" in line for line in problems)


def test_nothing_there(tmp_path: Path) -> None:
    frames = r2po.load_runs(tmp_path)
    assert [len(frame) for frame in frames[:3]] == [0, 0, 0]
    assert "environment" in frames.runs
    with pytest.raises(InputError, match="no folder"):
        r2po.load_runs(tmp_path / "nowhere")


def test_what_was_spent_is_read_only_if_it_is_asked_for(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", 1, [1.0, 3.0, 2.0])
    write_calls(run, [(1, "search", 10, 5), (2, "search", 10, 5), (3, "search", 10, 5)])
    shutil.copytree(run, tmp_path / "a" / "run_2")
    frames = r2po.load_runs(tmp_path, calls=False, costs=True)
    accepted = frames.iterations[frames.iterations.accepted]
    assert list(accepted.tokens) == [15, 30, 45]
    assert list(accepted.llm_calls) == [2, 4, 6]
    assert list(accepted.best_so_far) == [1, 3, 3]
    assert accepted.money.isna().all()
    assert frames.runs.tokens.tolist() == [45]
    assert frames.runs.copies.tolist() == ["run_2"]
    assert any("no money on record: its config has no prices" in line for line in frames.problems)
    (run / "llm_calls.jsonl").write_text("!")
    frames = r2po.load_runs(tmp_path, calls=False)
    assert frames.iterations.tokens.isna().all()
    assert not any("llm_calls" in line for line in frames.problems)
