"""Several log directories side by side, as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from r2po.analysis.evaluation.comparison import _figure, write_comparison
from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.output.panel import Panel, runs_caption
from r2po.cli import main
from tests.analysis.made_logs import write_run
from tests.analysis.published_format import folder_name, write_published_run, write_two_methods


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return write_two_methods(tmp_path / "logs")


@pytest.mark.usefixtures("blank_figures")
def test_files(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(logs / folder_name("nim", method)) for method in ("props", "r2po")]
    out = tmp_path / "compared"
    assert main(["eval", "--logdir", *folders, "--labels", "A", "B", "--compare-output", str(out)]) == 0
    assert f"comparison: {out}" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {
        "comparison_training_curve.png",
        "comparison_training_curve.pdf",
        "comparison_summary.json",
    }
    first, second = json.loads((out / "comparison_summary.json").read_text())["experiments"]
    assert (first["label"], second["label"]) == ("A", "B")
    assert first["mean_reward_mean"] == pytest.approx((8 / 3 + 16 / 3) / 2)
    assert second["method"] == ["r2po"]


@pytest.mark.usefixtures("blank_figures")
def test_one_log_directory_is_not_compared(logs: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared"
    assert main(["eval", "--logdir", str(logs / "nim_props"), "--compare-output", str(out)]) == 0
    assert not out.exists()


@pytest.mark.usefixtures("blank_figures")
def test_alike_names_are_told_apart(logs: Path, tmp_path: Path) -> None:
    write_published_run(logs / "deeper" / "nim_props", 1, [1.0])
    folders = [str(logs / "nim_props"), str(logs / "deeper" / "nim_props")]
    assert main(["eval", "--logdir", *folders, "--compare-output", str(tmp_path / "c")]) == 0
    entries = json.loads((tmp_path / "c" / "comparison_summary.json").read_text())["experiments"]
    assert len({entry["label"] for entry in entries}) == 2


@pytest.mark.usefixtures("blank_figures")
def test_a_critic_of_its_own_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "a", 1, [1.0, 2.0])
    write_run(tmp_path / "b", 1, [1.0, 2.0], description={"critic_model": "big"})
    folders = [str(tmp_path / name) for name in "ab"]
    assert main(["eval", "--logdir", *folders, "--compare-output", str(tmp_path / "c")]) == 0
    said = capsys.readouterr().out
    assert "model ollama/some-model, protocol" in said
    assert "model ollama/some-model (critic: big), protocol" in said
    entries = json.loads((tmp_path / "c" / "comparison_summary.json").read_text())["experiments"]
    assert [(entry["model"], entry["critic_model"]) for entry in entries] == [
        (["ollama/some-model"], []),
        (["ollama/some-model"], ["big"]),
    ]
    (row,) = json.loads((tmp_path / "b" / "eval_report" / "summary.json").read_text())["per_run_summaries"]
    assert row["critic_model"] == "big"


def test_other_prompts_are_named(tmp_path: Path) -> None:
    detailed = {"prompts": {"description": "detailed", "templates": "0123", "task": "89ab"}}
    write_run(tmp_path / "a", 1, [1.0, 2.0])
    write_run(tmp_path / "b", 1, [1.0, 2.0], description=detailed)
    experiments = [load_log_directory(tmp_path / name) for name in "ab"]
    write_comparison(experiments, ["A", "B"], tmp_path / "c")
    entries = json.loads((tmp_path / "c" / "comparison_summary.json").read_text())["experiments"]
    assert [entry["prompts"] for entry in entries] == [[], ["detailed descriptions"]]
    _, _, caption = _figure(experiments, ["A", "B"])
    assert "ollama/some-model (published), ollama/some-model (published, detailed descriptions)." in caption
    assert "protocol published, detailed descriptions." in runs_caption(Panel("B", experiments[1].runs))
