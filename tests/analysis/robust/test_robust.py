from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.analysis.logs.built_in import task_facts
from r2po.analysis.logs.comparable import choose
from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.robust.summary import BEST_SB3, Robust, analyse, normalise
from r2po.analysis.robust.tables import (
    ABOUT_FEW,
    FEW,
    UNCORRECTED,
    aggregates_table,
    improvement_table,
    profiles_table,
    to_record,
)
from r2po.cli import main
from r2po.tasks import TASKS
from tests.analysis.baseline_logs import R2PO, write_runs


def analysed(root: Path, seed: int = 0) -> Robust:
    experiments, _ = choose(find_experiments(root))
    return analyse(experiments, "best_reward", seed, 500)


def scaled(environment: str, score: float) -> float:
    task = TASKS[environment]
    assert task.random_reward is not None
    assert task.optimum is not None
    return task.random_reward + score * (task.optimum - task.random_reward)


def write_scores(root: Path, method: str, scores: dict[str, list[float]]) -> None:
    for environment, values in scores.items():
        write_runs(root / f"{environment}_{method}", [[scaled(environment, value)] for value in values])


def test_scale() -> None:
    task = TASKS["cartpole"]
    assert task.random_reward is not None
    assert task.optimum is not None
    values = np.array([task.random_reward, task.optimum, 2 * task.optimum - task.random_reward])
    scaled_values = normalise(task_facts("cartpole"), values)
    assert scaled_values is not None
    assert scaled_values.tolist() == pytest.approx([0.0, 1.0, 2.0])


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_card_has_a_random_reward_below_its_target(task: Any) -> None:
    assert task.random_reward is not None
    assert task.optimum is not None
    assert task.random_reward < task.optimum


def test_figures_of_known_scores(tmp_path: Path) -> None:
    write_scores(tmp_path, R2PO, {"cartpole": [0.0, 1.0], "nim": [0.5, 0.5]})
    write_scores(tmp_path, "props", {"cartpole": [0.0, 0.0], "nim": [0.5, 0.25]})
    robust = analysed(tmp_path)
    assert robust.environments == ("nim", "cartpole")
    ours = next(each for each in robust.summaries if each.scores.method == "r2po")
    assert ours.aggregates["iqm"].value == pytest.approx(0.5)
    assert ours.aggregates["mean"].value == pytest.approx(0.5)
    assert ours.aggregates["optimality_gap"].value == pytest.approx(0.5)
    assert ours.table_profile is not None
    # Above 0.25: one of two on CartPole, both on Nim.
    assert ours.table_profile.share[1] == pytest.approx(0.75)
    # CartPole: two ties, two wins; Nim: two ties, two wins.
    (improvement,) = robust.improvements
    assert improvement.probability is not None
    assert improvement.probability.value == pytest.approx(0.75)
    # Of 0, 0.5, 0.5, 1 the middle two; of 0, 0, 0.25, 0.5 likewise.
    assert improvement.difference is not None
    assert improvement.difference.value == pytest.approx(0.5 - 0.125)


def test_a_method_is_not_ranked_by_where_it_has_more_runs(tmp_path: Path) -> None:
    """R2PO has most of its runs where both are perfect, and is worse everywhere else."""
    write_scores(tmp_path, R2PO, {"cartpole": [1.0] * 9, "nim": [0.0], "maze": [0.0]})
    write_scores(tmp_path, "props", {"cartpole": [1.0], "nim": [0.6] * 9, "maze": [0.6] * 9})
    robust = analysed(tmp_path)
    iqms = {each.scores.method: each.aggregates["iqm"].value for each in robust.summaries}
    assert iqms["r2po"] < iqms["props"]
    (improvement,) = robust.improvements
    assert improvement.difference is not None
    assert improvement.difference.high < 0


def test_intervals_of_few_runs_are_marked(tmp_path: Path) -> None:
    write_scores(tmp_path, R2PO, {"cartpole": [0.1, 0.2, 0.3, 0.4, 0.5]})
    write_scores(tmp_path, "props", {"cartpole": [0.1, 0.2, 0.3, 0.4]})
    robust = analysed(tmp_path)
    assert {each.scores.method: each.is_few for each in robust.summaries} == {"r2po": False, "props": True}
    for make in (aggregates_table, profiles_table, improvement_table):
        table = make(robust, "title", ())
        assert ABOUT_FEW in table.notes
        marked = {row[0].text: any(FEW in line for cell in row[1:] for line in cell.below) for row in table.cells}
        assert marked.pop("ProPS")
        assert not any(marked.values())
    assert [each["too_few_runs"] for each in to_record(robust)["difference_of_iqm"]] == [True]


def test_several_intervals_are_said_to_be_uncorrected(tmp_path: Path) -> None:
    write_scores(tmp_path, R2PO, {"cartpole": [0.5, 1.0]})
    write_scores(tmp_path, "props", {"cartpole": [0.1, 0.2]})
    assert UNCORRECTED not in improvement_table(analysed(tmp_path), "title", ()).notes
    write_scores(tmp_path, "propsp", {"cartpole": [0.3, 0.4]})
    assert UNCORRECTED in improvement_table(analysed(tmp_path), "title", ()).notes


def test_missing_environments_are_named_and_not_averaged_over(tmp_path: Path) -> None:
    write_scores(tmp_path, R2PO, {"cartpole": [0.5, 1.0], "nim": [0.5, 0.5]})
    write_scores(tmp_path, "props", {"nim": [1.0], "maze": [1.0]})
    robust = analysed(tmp_path)
    props = next(each for each in robust.summaries if each.scores.method == "props")
    assert (props.missing, props.aggregates) == (("cartpole",), {})
    assert robust.improvements[0].environments == ("nim",)
    assert "Maze" in robust.notes[-1]


def test_best_of_sb3_is_chosen_in_each_environment(tmp_path: Path) -> None:
    write_scores(tmp_path, R2PO, {"cartpole": [0.5], "nim": [0.5]})
    for algorithm, scores in {"PPO": (0.2, 0.9), "A2C": (0.4, 0.1)}.items():
        for environment, value in zip(("cartpole", "nim"), scores, strict=True):
            write_runs(tmp_path / f"{environment}_sb3" / algorithm, [[scaled(environment, value)]])
    robust = analysed(tmp_path)
    best = next(each for each in robust.summaries if each.scores.label == BEST_SB3)
    assert {name: values.tolist() for name, values in best.scores.scores.items()} == {
        "cartpole": pytest.approx([0.4]),
        "nim": pytest.approx([0.9]),
    }


def test_the_seed_decides(tmp_path: Path) -> None:
    write_scores(tmp_path, R2PO, {"cartpole": [0.1, 0.2, 0.5, 0.9], "nim": [0.3, 0.4, 0.8]})
    one, again, other = (analysed(tmp_path, seed).summaries[0].aggregates["iqm"] for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    methods = (R2PO, "props", "propsp", "reflective", "three_traj", "pure_search")
    for method in methods:
        write_scores(tmp_path / "logs", method, {"cartpole": [0.1, 0.4, 0.6], "nim": [0.5, 0.2, 0.9]})
    write_scores(tmp_path / "logs", "critic_only", {"cartpole": [0.1]})
    out = tmp_path / "out"
    arguments = ["--logs-root", str(tmp_path / "logs"), "--output-dir", str(out), "--resamples", "200"]
    formats = ["--formats", "md", "csv", "latex", "json", "png", "pdf", "svg"]
    assert main(["paper_robust_statistics", *arguments, *formats]) == 0
    files = {Path(line).name for line in capsys.readouterr().out.split()}
    assert files == {path.name for path in out.iterdir()}
    for name in ("aggregates", "probability_of_improvement", "performance_profiles"):
        assert {f"best_reward_{name}.{suffix}" for suffix in ("md", "csv", "tex", "png", "pdf", "svg")} <= files
    assert "best_reward_difference_of_iqm.png" in files
    assert "no runs on Nim" in (out / "best_reward_aggregates.md").read_text()
    record = json.loads((out / "best_reward_robust_statistics.json").read_text())
    assert (record["seed"], record["resamples"], len(record["methods"])) == (0, 200, 7)


def test_there_are_no_empty_figures(tmp_path: Path) -> None:
    write_scores(tmp_path / "logs", R2PO, {"cartpole": [0.5, 0.5]})
    out = tmp_path / "out"
    arguments = ["--logs-root", str(tmp_path / "logs"), "--output-dir", str(out), "--resamples", "20"]
    assert main(["paper_robust_statistics", *arguments, "--formats", "md", "svg"]) == 0
    assert {path.name for path in out.glob("*.svg")} == {
        "best_reward_aggregates.svg",
        "best_reward_performance_profiles.svg",
    }
    assert (out / "best_reward_probability_of_improvement.md").exists()


def test_no_runs_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper_robust_statistics", "--logs-root", str(tmp_path)]) == 2
    assert "no runs" in capsys.readouterr().err
