from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from r2po.analysis.logs.built_in import task_facts
from r2po.analysis.output.style import paper_style
from r2po.analysis.significance.figure import significance_figure
from r2po.analysis.significance.groups import Group
from r2po.analysis.significance.tests import compare
from r2po.analysis.statistics.holm import holm
from r2po.analysis.statistics.welch import welch
from r2po.cli import main
from tests.analysis.baseline_logs import R2PO, write_runs
from tests.analysis.published_archive import published_archive

OURS = Group("r2po", "R2PO", (5.0, 6.0, 7.0))


def sb3(algorithm: str, *values: float) -> Group:
    return Group("sb3", f"SB3-{algorithm}", values)


def run_command(root: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    assert main(["paper_significance_tests", "--logs-root", str(root), "--format", "json", *options]) == 0
    records: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return records


def labels(groups: Sequence[Group]) -> str | None:
    (row,) = compare([(task_facts("cartpole"), groups)], "best")
    return row.baseline.label if row.baseline else None


def test_best_is_by_mean_and_ties_go_in_order() -> None:
    props, propsp = Group("props", "ProPS", (1.0, 3.0)), Group("propsp", "ProPS+", (2.0, 2.0))
    assert labels([OURS, sb3("PPO", 2.0, 2.0), propsp, props]) == "ProPS"
    assert labels([OURS, sb3("PPO", 2.0, 2.0), propsp]) == "ProPS+"
    assert labels([OURS, sb3("PPO", 2.0, 2.0), sb3("A2C", 2.0, 2.0)]) == "SB3-A2C"
    assert labels([OURS, props, sb3("PPO", 2.0, 2.5)]) == "SB3-PPO"


def test_families_of_all() -> None:
    environments = []
    for name, v in (("cartpole", 1.0), ("nim", 4.5)):
        props = Group("props", "ProPS", (v, 2.0, 4.0))
        environments.append((task_facts(name), [OURS, props, sb3("A2C", v, 1.0, 2.0), sb3("PPO", 3.0, v, 5.0)]))
    rows = compare(environments, "all")
    assert [row.baseline and row.baseline.label for row in rows[:3]] == ["ProPS", "SB3-A2C", "SB3-PPO"]
    for family in ("props", "sb3"):
        members = [row for row in rows if row.baseline and row.baseline.method == family]
        assert len(members) == (2 if family == "props" else 4)
        tests = [welch(OURS.values, row.baseline.values) for row in members if row.baseline]
        assert [row.holm_p for row in members] == pytest.approx(holm([test.p for test in tests]).tolist())


def test_what_is_missing_has_a_row() -> None:
    props = Group("props", "ProPS", (1.0, 2.0))
    propsp = Group("propsp", "ProPS+", (1.0, 2.0))
    found = {"cartpole": [OURS, props, propsp], "nim": [OURS, props], "pong": [props], "maze": []}
    environments = [(task_facts(name), groups) for name, groups in found.items()]
    rows = compare(environments, "all")
    notes = {(row.environment, row.notes) for row in rows if row.test is None}
    assert ("nim", ("no runs of ProPS+",)) in notes
    assert ("pong", ("no runs of R2PO",)) in notes
    assert ("maze", ("no runs of R2PO", "no runs of a baseline to compare with")) in notes
    # What was not tested is in no family.
    assert sum(row.holm_p is not None for row in rows) == 3


def test_command_marks_degenerate_and_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(tmp_path / f"maze_{R2PO}", [[1.0], [1.0]])
    write_runs(tmp_path / "maze_props", [[0.0], [0.0]])
    write_runs(tmp_path / f"cartpole_{R2PO}", [[100.0, 200.0]])
    write_runs(tmp_path / "cartpole_props", [[10.0], [20.0]])
    records = {record["environment"]: record for record in run_command(tmp_path, capsys)}
    assert len(records) == 10
    maze, cartpole, nim = records["maze"], records["cartpole"], records["nim"]
    assert (maze["degenerate"], maze["t_statistic"], maze["raw_p"]) == (True, None, pytest.approx(1 / 3))
    assert (cartpole["too_few_runs"], cartpole["t_statistic"], cartpole["raw_p"]) == (True, 0.0, 1.0)
    assert (cartpole["r2po_mean"], cartpole["baseline_mean"], cartpole["mean_gap"]) == (150.0, 15.0, 135.0)
    assert nim["t_statistic"] is None
    assert "no runs" in nim["notes"][0]


@pytest.mark.parametrize(("metric", "mean"), [("mean_reward", 4.0), ("best_reward", 6.0), ("final_reward", 2.0)])
def test_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str], metric: str, mean: float) -> None:
    write_runs(tmp_path / f"nim_{R2PO}", [[4.0, 6.0, 2.0], [4.0, 6.0, 2.0]])
    write_runs(tmp_path / "nim_propsp", [[0.0], [1.0]])
    records = run_command(tmp_path, capsys, "--metric", metric)
    assert records[0]["r2po_mean"] == mean
    assert records[0]["baseline_method"] == "ProPS+"


@pytest.mark.parametrize("name", ["markdown", "latex", "csv"])
def test_formats_of_text(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    write_runs(tmp_path / f"nim_{R2PO}", [[4.0], [5.0]])
    write_runs(tmp_path / "nim_props", [[0.0], [1.0]])
    output = tmp_path / "out" / "table"
    options = ["--logs-root", str(tmp_path), "--format", name, "--output", str(output), "--reference", "published"]
    assert main(["paper_significance_tests", *options]) == 0
    assert capsys.readouterr().out.strip() == str(output)
    text = output.read_text()
    assert "ProPS" in text
    # The published gap on Nim, beside ours.
    assert "1.20" in text


def test_metric_that_no_run_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(tmp_path / f"nim_{R2PO}", [[4.0], [5.0]])
    write_runs(tmp_path / "nim_props", [[0.0], [1.0]])
    record = run_command(tmp_path, capsys, "--metric", "heldout_reward")[0]
    assert record["raw_p"] is None
    assert "no run of R2PO has this metric" in record["notes"]


def test_max_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(tmp_path / f"nim_{R2PO}", [[4.0], [5.0], [60.0]])
    write_runs(tmp_path / "nim_props", [[0.0], [1.0]])
    assert run_command(tmp_path, capsys, "--max-runs", "2")[0]["r2po_runs"] == 2


def test_stand_ins_are_not_compared_with_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(tmp_path / "cartpole_props", [[10.0], [20.0]])
    config = Path(__file__).parents[3] / "configs/cartpole/cartpole_reflective_prompted_policy_optimization.yaml"
    changes = {"llm_model_name": "embedded/search", "logdir": tmp_path / "own", "num_iterations": 1}
    changes |= {"num_evaluation_episodes": 2, "heldout_episodes": 0}
    options = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    assert main(["run", "--config", str(config), *options]) == 0
    capsys.readouterr()
    assert all(record["raw_p"] is None for record in run_command(tmp_path, capsys))


@pytest.mark.parametrize("mode", ["best", "all"])
@pytest.mark.parametrize("metric", ["mean_reward", "best_reward", "final_reward"])
def test_equal_to_the_published_tests(mode: str, metric: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = published_archive()
    expected = json.loads((root / f"expected/sig_{mode}_{metric}.json").read_text())
    records = run_command(root / "logs", capsys, "--comparison-mode", mode, "--metric", metric, "--as-published")
    assert len(records) == len(expected)
    for ours, theirs in zip(records, expected, strict=True):
        theirs["r2po_mean"] = theirs.pop("rp2o_mean")
        theirs["environment"] = theirs["environment"].replace("mountaincarcon", "mountaincarcontinuous")
        if ours["degenerate"]:
            assert abs(theirs["t_statistic"]) == float("inf")
            theirs["t_statistic"] = None
        for key, value in theirs.items():
            # Compared with a tolerance are numbers only.
            assert ours[key] == (pytest.approx(value, abs=1e-9, rel=1e-9) if isinstance(value, float) else value)


def test_figure_shows_what_was_tested_and_names_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(tmp_path / f"nim_{R2PO}", [[4.0], [5.0]])
    write_runs(tmp_path / "nim_props", [[0.0], [1.0]])
    files = [tmp_path / "out" / "tests.svg", tmp_path / "out" / "tests.png"]
    assert main(["paper_significance_tests", "--logs-root", str(tmp_path), "--figure", *map(str, files)]) == 0
    assert all(file.stat().st_size for file in files)
    assert str(files[1]) in capsys.readouterr().err
    nim, maze = task_facts("nim"), task_facts("maze")
    rows = compare([(nim, [OURS, Group("props", "ProPS", (1.0, 3.0))]), (maze, [OURS])], "best")
    with paper_style():
        figure = significance_figure(rows, "title", "Runs: some.")
    gaps = figure.axes[0]
    assert [label.get_text() for label in gaps.get_yticklabels()] == ["Nim / ProPS †"]
    # R2PO's mean is 6, the baseline's 2; from random (-0.93) to the target (1) it is 1.93.
    assert gaps.lines[1].get_xdata() == pytest.approx([4 / 1.93])
    assert "nothing could be tested: Maze (no runs of a baseline to compare with)." in figure.get_supxlabel().replace(
        "\n", " "
    )


def test_where_nothing_could_be_tested_there_is_no_empty_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runs(tmp_path / f"nim_{R2PO}", [[4.0], [5.0]])
    figure = tmp_path / "tests.svg"
    assert main(["paper_significance_tests", "--logs-root", str(tmp_path), "--figure", str(figure)]) == 0
    assert not figure.exists()
    said = f"warning: no figure {figure} of logs of the published code: nothing could be tested"
    assert said in capsys.readouterr().err


def test_figure_of_another_kind_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(tmp_path / f"nim_{R2PO}", [[4.0], [5.0]])
    assert main(["paper_significance_tests", "--logs-root", str(tmp_path), "--figure", "x.gif"]) == 2
    assert "expected .png, .pdf or .svg" in capsys.readouterr().err


def test_of_equal_baselines_the_first_is_tested_and_equal_means_have_no_gap() -> None:
    ours, props, plus = (
        Group(name, label, (value,) * 3)
        for name, label, value in (("r2po", "R2PO", 0.3), ("props", "ProPS", 0.3), ("propsp", "ProPS+", 0.1 + 0.2))
    )
    assert props.mean < plus.mean
    (row,) = compare([(task_facts("maze"), [ours, plus, props])], "best")
    assert row.baseline is props
    assert (row.gap, props.std, row.p) == (0.0, 0.0, 1.0)
