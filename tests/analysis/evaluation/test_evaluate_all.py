"""Every experiment under a folder, evaluated at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from r2po.analysis.evaluation.evaluate_all import evaluate_all
from r2po.cli import main
from tests.analysis.made_logs import write_run
from tests.analysis.published_format import write_two_methods


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return write_two_methods(tmp_path / "logs")


@pytest.mark.usefixtures("blank_figures")
def test_reports(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (logs / "maze_props" / "run_1").mkdir(parents=True)
    assert main(["eval_all_results", "--logs-root", str(logs)]) == 0
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 4
    assert "R2PO on Nim: 2 runs: mean 4.00 ± 1.89, best 7.00 ± 2.83, final 7.00 ± 2.83" in output.out
    assert f"warning: {logs / 'maze_props'}: left out: run_1: it has no run.yaml" in output.err
    summary = json.loads((logs / "nim_props" / "eval_report" / "summary.json").read_text())
    assert summary["num_runs"] == 2
    assert (logs / "nim_props" / "run_1" / "eval_report" / "training_curve.png").exists()


@pytest.mark.usefixtures("blank_figures")
def test_only_some(logs: Path) -> None:
    evaluations = evaluate_all(logs, None, ["nim"], ["props"])
    assert [each.line.partition(":")[0] for each in evaluations] == ["ProPS on Nim"]
    assert not (logs / "nim_props").parent.joinpath("cartpole_props", "eval_report").exists()


@pytest.mark.usefixtures("blank_figures")
def test_many_runs_get_no_single_figures_unless_asked(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("r2po.analysis.evaluation.evaluate_all.MANY_RUNS", 3)
    *_, note = evaluate_all(logs, None, ["nim"])
    assert "figures of the 4 single runs are left out" in note.line
    run = logs / "nim_props" / "run_1" / "eval_report"
    assert {path.name for path in run.iterdir()} == {"summary.json", "summary.txt"}
    assert (logs / "nim_props" / "eval_report" / "training_curve.png").exists()
    evaluate_all(logs, None, ["nim"], ["props"], figures="all")
    assert (run / "reward_distribution.png").exists()


@pytest.mark.usefixtures("blank_figures")
def test_unfinished_runs_are_named_and_counted(tmp_path: Path) -> None:
    for number in (1, 2):
        write_run(tmp_path / "props", number, [1.0, 2.0])
    write_run(tmp_path / "props", 3, [4.0], complete=False, config={"num_iterations": 2})
    (only,) = evaluate_all(tmp_path, None, figures="experiments")
    assert only.line.startswith("ProPS on CartPole: 3 runs (1 unfinished): mean ")
    assert "heldout 7.50 ± 0.00 (2 runs): " in only.line
    told = "Unfinished runs, counted as far as they came: 1 of 3 of ProPS on CartPole (run_3: 1 of 2 iterations)."
    assert only.warnings == (f"{tmp_path / 'props'}: {told}",)


def test_nothing_there(tmp_path: Path) -> None:
    (only,) = evaluate_all(tmp_path, None)
    assert "no log directory" in only.line


def test_baselines_without_iterations(tmp_path: Path) -> None:
    folder = tmp_path / "nim_sb3" / "ppo"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps({"per_run_summaries": [{"best_reward": 1.0}]}))
    (only,) = evaluate_all(tmp_path, None)
    assert only.line.startswith("SB3-PPO on Nim: 1 run: best 1.00 ± 0.00")
    text = (folder / "eval_report" / "summary.txt").read_text()
    assert "no figures: the iterations are not logged" in text
