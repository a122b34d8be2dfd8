"""The numbers of a summary, against hand-made logs and independent formulas."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.analysis.evaluation.report import default_label
from r2po.analysis.evaluation.summary import summarise_run, summarise_runs
from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.logs.revisions import FIGURES
from r2po.analysis.output.files import to_json
from r2po.methods import METHODS
from tests.analysis.made_logs import iteration, write_lines, write_run


def summary_of(logdir: Path) -> dict[str, Any]:
    logs = load_log_directory(logdir)
    summary = summarise_runs(logs, default_label(logs))
    assert json.loads(to_json(summary)) == summary
    return summary


def test_held_out_returns_that_are_equal_vary_by_nothing(tmp_path: Path) -> None:
    run = write_run(tmp_path, 1, [1.0], heldout=-2 / 9)
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, "heldout_std": float(np.std([-2 / 9] * 5, ddof=1))}))
    (row,) = summary_of(tmp_path)["per_run_summaries"]
    assert row["heldout_std"] == 0


def test_figures_of_one_run(tmp_path: Path) -> None:
    write_run(tmp_path, 3, [10.0, 40.0, 40.0, 30.0])
    (run,) = load_log_directory(tmp_path).runs
    assert summarise_run(run) == {
        "run": "run_3",
        "complete": True,
        "num_iterations": 4,
        "planned_iterations": 4,
        "best_reward": 40.0,
        "best_iteration": 2,
        "best_episode": "episode_1",
        "final_reward": 30.0,
        "mean_reward": 30.0,
        "std_reward": pytest.approx(200**0.5),  # (400 + 100 + 100 + 0) / 3
        "max_reward": 40.0,
        "min_reward": 10.0,
        "heldout_reward": 7.5,
        "heldout_std": 1.5,
        "heldout_episodes": 30,
        "reevaluated_mean_reward": None,
        "reevaluated_final_reward": None,
        "best_success": None,
        "final_success": None,
        "heldout_success": None,
        **dict.fromkeys(FIGURES),
        "environment": "cartpole",
        "method": "props",
        "model": "ollama/some-model",
        "critic_model": None,
        "stand_in": False,
        "protocol": "published",
        "prompts": "",
        "seed": 3,
        "llm_calls": 8,
        "episodes": 26,
        "steps": 400,
        "llm_s": 10.0,
        "total_api_time_s": 10.0,
        "mean_api_time_per_iter_s": 2.5,
        "notes": [],
    }


def test_revisions_of_each_run_and_of_all(tmp_path: Path) -> None:
    facts = METHODS.find("r2po").facts({})
    for number, rewards in enumerate(([10.0, -1000.0, -1200.0], [-400.0]), 1):  # proposals have -1000
        write_run(tmp_path, number, rewards, description={"method": facts})
    summary = summary_of(tmp_path)
    names = ("revisions", "revisions_better", "revisions_same", "revisions_worse", "revision_largest_gain")
    first, second = ([row[name] for name in names] for row in summary["per_run_summaries"])
    assert (first, second) == ([3, 1, 1, 1, 1010.0], [1, 1, 0, 0, 600.0])
    assert [summary[name] for name in names] == [4, 2, 1, 1, 1010.0]
    assert summary["revision_mean_gain"] == 805.0
    assert summary["revision_mean_loss"] == 200.0


def test_figures_over_runs(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0, 3.0], heldout=2.0)
    write_run(tmp_path, 2, [5.0, 5.0], heldout=None)
    write_run(tmp_path, 10, [9.0, 6.0, 3.0], heldout=6.0)
    summary = summary_of(tmp_path)
    assert summary["num_runs"] == 3
    assert [row["run"] for row in summary["per_run_summaries"]] == ["run_1", "run_2", "run_10"]
    assert summary["mean_reward_mean"] == pytest.approx((2 + 5 + 6) / 3)
    assert summary["mean_reward_std"] == pytest.approx(statistics.stdev([2, 5, 6]))
    for metric in ("max_reward", "best_reward"):
        assert summary[f"{metric}_mean"] == pytest.approx((3 + 5 + 9) / 3)
        assert summary[f"{metric}_std"] == pytest.approx(statistics.stdev([3, 5, 9]))
    assert summary["final_reward_mean"] == pytest.approx(11 / 3)
    assert summary["final_reward_std"] == pytest.approx(statistics.stdev([3, 5, 3]))
    assert (summary["heldout_num_runs"], summary["heldout_reward_mean"]) == (2, 4.0)
    assert summary["heldout_reward_std"] == pytest.approx(8**0.5)


def test_one_run_has_no_spread(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0, 3.0], heldout=None)
    summary = summary_of(tmp_path)
    metrics = ("mean_reward", "max_reward", "best_reward", "final_reward")
    assert [summary[f"{metric}_std"] for metric in metrics] == [0.0] * 4
    assert (summary["heldout_reward_mean"], summary["heldout_reward_std"]) == (None, None)
    assert summary["heldout_num_runs"] == 0


finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e90, max_value=1e90)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(finite, min_size=1, max_size=8), min_size=1, max_size=4))
def test_agrees_with_numpy(runs: list[list[float]]) -> None:
    with TemporaryDirectory() as folder:
        for number, rewards in enumerate(runs, 1):
            write_run(Path(folder), number, rewards)
        summary = summary_of(Path(folder))
    for row, rewards in zip(summary["per_run_summaries"], runs, strict=True):
        assert row["mean_reward"] == pytest.approx(np.mean(rewards), rel=1e-12, abs=2e-15 * max(map(abs, rewards)))
        spread = np.std(rewards, ddof=1) if len(rewards) > 1 else 0.0
        assert row["std_reward"] == pytest.approx(spread, rel=1e-12, abs=2e-12 * max(map(abs, rewards)))
        assert (row["min_reward"], row["max_reward"]) == (min(rewards), max(rewards))
        best = next(each for each in rewards if each >= max(rewards) - 1e-12 * abs(max(rewards)))
        assert row["best_episode"] == f"episode_{rewards.index(best)}"
        assert row["final_reward"] == rewards[-1]
    bests = [max(rewards) for rewards in runs]
    largest = max(map(abs, bests))
    assert summary["best_reward_mean"] == pytest.approx(np.mean(bests), rel=1e-12, abs=2e-15 * largest)
    spread = np.std(bests, ddof=1) if len(runs) > 1 else 0.0
    assert summary["best_reward_std"] == pytest.approx(spread, rel=1e-12, abs=2e-12 * largest)


def test_equal_rewards_have_no_spread_and_the_first_of_them_is_the_best(tmp_path: Path) -> None:
    for number, length in enumerate((7, 49), 1):
        rewards = [-2 / 9] * length
        rewards[3] = float(np.nextafter(-2 / 9, 0))  # the same returns, added up in another order
        write_run(tmp_path, number, rewards)
    summary = summary_of(tmp_path)
    assert [row["std_reward"] for row in summary["per_run_summaries"]] == [0.0, 0.0]
    assert [row["best_episode"] for row in summary["per_run_summaries"]] == ["episode_0", "episode_0"]
    assert [summary[f"{name}_reward_std"] for name in ("mean", "best")] == [0.0, 0.0]


def test_unfinished_run_is_summarised_with_what_is_there(tmp_path: Path) -> None:
    run = write_run(tmp_path, 1, [1.0, 2.0, 3.0], complete=False)
    write_lines(run, [iteration(1, 1.0), iteration(2, 2.0)], torn='{"iteration":3,"reward":3')
    summary = summary_of(tmp_path)
    (row,) = summary["per_run_summaries"]
    assert (row["complete"], row["num_iterations"], row["planned_iterations"]) == (False, 2, 3)
    assert (row["final_reward"], row["heldout_reward"]) == (2.0, None)
    assert row["notes"] == ["the last line of iterations.jsonl is torn and not counted"]
    assert summary["unfinished_runs"] == ["run_1"]
    assert summary["problems"] == []


def test_differences_name_what_should_agree_and_nothing_else(tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0])
    assert summary_of(tmp_path)["differences"] == []
    write_run(tmp_path, 2, [1.0], config={"seed": 5, "logdir": "elsewhere"})
    assert summary_of(tmp_path)["differences"] == []
    write_run(tmp_path, 3, [1.0], config={"protocol": "controlled", "method": "r2po"})
    write_run(tmp_path, 4, [1.0], config={"llm_model_name": "other"})
    assert summary_of(tmp_path)["differences"] == [
        "method: props in run_1, run_2, run_4; r2po in run_3",
        "llm_model_name: ollama/some-model in run_1, run_2, run_3; other in run_4",
        "protocol: published in run_1, run_2, run_4; controlled in run_3",
    ]


def test_label_names_method_and_environment_unless_they_are_mixed(tmp_path: Path) -> None:
    write_run(tmp_path / "mine", 1, [1.0])
    assert default_label(load_log_directory(tmp_path / "mine")) == "ProPS on CartPole"
    write_run(tmp_path / "mine", 2, [1.0], config={"gym_env_name": "Unheard-Of-v3", "method": "unheard_of"})
    assert default_label(load_log_directory(tmp_path / "mine")) == "mine"
    write_run(tmp_path / "other", 1, [1.0], config={"gym_env_name": "Unheard-Of-v3", "method": "unheard_of"})
    assert default_label(load_log_directory(tmp_path / "other")) == "unheard_of on Unheard-Of-v3"
