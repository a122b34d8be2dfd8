"""Success rates beside returns: in summaries, texts, figures, tables and frames, where the logs tell them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from r2po import load_runs
from r2po.analysis.evaluation.report import write_report
from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.logs.run_data import SUCCESS_METRICS
from r2po.analysis.paper.results_tables import build_tables
from r2po.analysis.paper.validation import Validation
from tests.analysis.made_logs import iteration, write_lines, write_run

K = 4


def write_success_run(
    logdir: Path, number: int, successes: Sequence[int], heldout: float | None = 0.25, **changes: Any
) -> Path:
    """Write a run of which so many of the K rollouts of each accepted candidate succeeded."""
    rewards = [10.0 * (i + 1) for i in range(len(successes))]
    run = write_run(logdir, number, rewards, **changes)
    records = []
    for i, (reward, count) in enumerate(zip(rewards, successes, strict=True), 1):
        record = iteration(i, reward)
        record["success"] = count / K
        record["candidates"][1]["successes"] = [rank < count for rank in range(K)]
        records.append(record)
    write_lines(run, records)
    result = run / "result.json"
    if heldout is not None and result.exists():
        result.write_text(json.dumps(json.loads(result.read_text()) | {"heldout_success": heldout}))
    return run


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs" / "mine"
    write_success_run(folder, 1, [1, 3, 2], 0.5)
    write_success_run(folder, 2, [0, 1, 4], 1.0)
    return folder


def test_the_figures_of_a_run(logs: Path) -> None:
    first, second = load_log_directory(logs).runs
    assert [first.metric(name) for name in SUCCESS_METRICS] == [0.75, 0.5, 0.5]
    assert [second.metric(name) for name in SUCCESS_METRICS] == [1.0, 1.0, 1.0]
    assert [each.candidates[1].success for each in first.iterations] == [0.25, 0.75, 0.5]
    assert first.iterations[0].candidates[0].success is None
    assert first.metric("best_reward") == 30.0


def test_an_unfinished_run_has_no_held_out_success(tmp_path: Path) -> None:
    write_success_run(tmp_path / "logs", 1, [4, 2], complete=False)
    (run,) = load_log_directory(tmp_path / "logs").runs
    assert [run.metric(name) for name in SUCCESS_METRICS] == [1.0, 0.5, None]


def test_summary_text_and_figure(logs: Path) -> None:
    text = write_report(load_log_directory(logs), all_figures=False)
    summary = json.loads((logs / "eval_report" / "summary.json").read_text())
    assert summary["best_success_mean"] == 0.875
    assert summary["final_success_mean"] == 0.75
    assert summary["heldout_success_mean"] == 0.75
    assert summary["heldout_success_std"] == pytest.approx(0.125**0.5)
    assert [row["heldout_success"] for row in summary["per_run_summaries"]] == [0.5, 1.0]
    head, row = text.splitlines()[3:5]
    assert head.split("  ")[-3:] == ["best success", "final success", "held-out success"]
    assert row.split()[-3:] == ["0.75", "0.5", "0.5"]
    assert "  success   best 0.875 ± 0.17678, final 0.75 ± 0.35355, held-out 0.75 ± 0.35355" in text
    assert (logs / "eval_report" / "success_curve.png").stat().st_size > 1000


def test_where_no_log_tells_success_nothing_is_said_of_it(tmp_path: Path) -> None:
    write_run(tmp_path / "logs", 1, [1.0, 2.0])
    text = write_report(load_log_directory(tmp_path / "logs"), all_figures=False)
    assert "success" not in text
    assert not (tmp_path / "logs" / "eval_report" / "success_curve.png").exists()
    summary = json.loads((tmp_path / "logs" / "eval_report" / "summary.json").read_text())
    assert summary["heldout_success_mean"] is None
    tables = build_tables("core", find_experiments(tmp_path / "logs"), Validation())
    assert not any("success" in name for name in tables)


def test_tables_name_it(logs: Path) -> None:
    tables = build_tables("core", find_experiments(logs.parent), Validation())
    assert {name for name in tables if "success" in name} == set(SUCCESS_METRICS)
    table = tables["heldout_success"]
    assert "success rate" in table.title.lower()
    cells = {cell if isinstance(cell, str) else cell.text for row in table.rows for cell in row}
    assert "0.75 ± 0.35 †" in cells, "of two runs"


def test_frames_have_columns(logs: Path) -> None:
    frames = load_runs(logs.parent, calls=False)
    assert frames.runs["heldout_success"].tolist() == [0.5, 1.0]
    assert frames.runs["best_success"].tolist() == [0.75, 1.0]
    accepted = frames.iterations[frames.iterations["accepted"]]
    assert accepted["success"].tolist() == [0.25, 0.75, 0.5, 0.0, 0.25, 1.0]


@pytest.mark.parametrize("value", ["NaN", '"many"', "null"])
def test_a_success_that_is_no_number_makes_a_run_unusable(value: str, logs: Path) -> None:
    path = logs / "run_1" / "iterations.jsonl"
    path.write_text(path.read_text().replace('"success": 0.75', f'"success": {value}'))
    assert any("run_1" in problem for problem in load_log_directory(logs).problems)
