"""Copied runs count once."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import pytest

from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.statistics.welch import welch
from r2po.cli import main
from tests.analysis.made_logs import write_run


def names(folder: Path) -> list[str]:
    return [run.name for run in load_log_directory(folder).runs]


def test_a_copied_folder_counts_once_and_the_lowest_number_stays(tmp_path: Path) -> None:
    for number, rewards in enumerate(([1.0, 2.0], [3.0, 4.0]), 2):
        write_run(tmp_path, number, rewards)
    for copy in (1, 9, 10):
        shutil.copytree(tmp_path / "run_2", tmp_path / f"run_{copy}")
    assert names(tmp_path) == ["run_1", "run_3"]
    logs = load_log_directory(tmp_path)
    assert logs.runs[0].copies == ("run_2", "run_9", "run_10")
    assert logs.notes == ("run_1: run_2, run_9, run_10 repeat it: the same seed and rewards, counted once",)
    assert logs.problems == ()
    (experiment,) = find_experiments(tmp_path)
    assert [run.name for run in experiment.runs] == ["run_1", "run_3"]


@pytest.mark.parametrize(
    "other",
    [
        {"rewards": [1.0, 2.0], "description": {"seed": 7}},
        {"rewards": [1.0, 2.0 + 1e-15], "description": {"seed": 1}},
        {"rewards": [1.0], "description": {"seed": 1}},
        {"rewards": [1.0, 2.0], "description": {"seed": 1}, "config": {"temperature": 0.5}},
        {"rewards": [1.0, 2.0], "description": {"seed": 1, "model": "other/model"}},
        {"rewards": [1.0, 2.0], "description": {"seed": 1, "replay_of": "a/run_1"}},
        {"rewards": [1.0, 2.0], "description": {"seed": 1, "plugins": [{"name": "a", "version": None, "sha256": "0"}]}},
    ],
)
def test_what_differs_is_no_copy(other: dict[str, object], tmp_path: Path) -> None:
    write_run(tmp_path, 1, [1.0, 2.0])
    write_run(tmp_path, 2, **other)  # type: ignore[arg-type]
    assert names(tmp_path) == ["run_1", "run_2"]


def test_copies_make_no_evidence(tmp_path: Path) -> None:
    """Three runs of each side are not significant; each copied four times, they were."""
    for method, values in (("props", (1.0, 2.0, 4.0)), ("r2po", (3.0, 4.0, 6.0))):
        for number, value in enumerate(values, 1):
            run = write_run(tmp_path / method, number, [value], config={"method": method})
            for copy in range(1, 5):
                shutil.copytree(run, tmp_path / method / f"run_{number + 3 * copy}")
    props, r2po = (each.values("mean_reward") for each in find_experiments(tmp_path))
    assert welch(r2po, props).p == pytest.approx(welch([3.0, 4.0, 6.0], [1.0, 2.0, 4.0]).p)
    assert welch(r2po, props).p > 0.05 > welch([3.0, 4.0, 6.0] * 5, [1.0, 2.0, 4.0] * 5).p


def test_every_output_names_copies_and_unfinished_runs(tmp_path: Path) -> None:
    """Tables, figures and JSON travel without the warnings of the terminal."""
    logs, out = tmp_path / "logs", tmp_path / "out"
    for method in ("props", "r2po"):
        for number, rewards in enumerate(([1.0, 2.0], [3.0, 5.0]), 1):
            write_run(logs / method, number, rewards, config={"method": method})
        shutil.copytree(logs / method / "run_2", logs / method / "run_3")
        write_run(logs / method, 4, [3.0], complete=False, config={"method": method, "num_iterations": 2})
    place = ["--logs-root", str(logs)]
    to_folder = ["--output-dir", str(out)]
    for command in (
        ["paper_results_tables", *place, *to_folder, "--formats", "md"],
        ["paper_budget_tables", *place, *to_folder, "--formats", "md"],
        ["paper_reward_curves", *place, "--output", str(out / "curves.svg")],
        ["paper_significance_tests", *place, "--output", str(out / "tests.md"), "--figure", str(out / "tests.svg")],
        ["paper_significance_tests", *place, "--output", str(out / "tests.json")],
        ["paper_robust_statistics", *place, *to_folder, "--formats", "md", "json", "svg"],
        ["paper_salience_analysis", *place, *to_folder, "--formats", "md", "json", "svg"],
    ):
        assert main(command) == 0
    silent = {"episodes.csv", "core_missing.md"}  # rows of single iterations; what is not there
    files = [file for file in out.iterdir() if file.name not in silent]
    assert len(files) > 15
    for file in files:
        text = unfolded(file.read_text())
        assert re.search(r"run_2 of \S.* \(also run_3\)", text), file.name
        assert "run_4: 1 of 2 iterations" in text, file.name


def unfolded(text: str) -> str:
    """Return what a file says; SVG has its text, which is broken into lines, in comments."""
    lines = re.findall(r"<!--(.*?)-->", text, re.DOTALL) if "<svg" in text else [text]
    return " ".join(html.unescape(" ".join(lines)).split())


@pytest.mark.usefixtures("blank_figures")
def test_every_command_that_compares_names_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = tmp_path / "logs"
    write_run(logs / "a", 1, [1.0])
    shutil.copytree(logs / "a" / "run_1", logs / "a" / "run_2")
    place = ["--logs-root", str(logs)]
    out = str(tmp_path / "out")
    for command in (
        ["paper_results_tables", *place, "--output-dir", out],
        ["paper_reward_curves", *place, "--output", f"{out}/c.png"],
        ["paper_significance_tests", *place],
        ["paper_robust_statistics", *place, "--output-dir", out],
        ["eval_all_results", *place],
    ):
        assert main(command) == 0
        assert "run_1: run_2 repeats it: the same seed and rewards, counted once" in capsys.readouterr().err
    assert main(["eval", "--logdir", str(logs / "a")]) == 0
    assert "run_1: run_2 repeats it" in capsys.readouterr().out
