"""A race of a sweep is named wherever means of its runs are written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from r2po.analysis.evaluation.kept import Kept
from r2po.analysis.evaluation.summary import summarise_runs
from r2po.analysis.evaluation.text import runs_text
from r2po.analysis.lineage.reading import read_log
from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.logs.fresh import Basis
from r2po.analysis.logs.load import load_log_directory
from r2po.cli import main
from r2po.report.head import head_of_log
from r2po.runlog import RunDirectory
from r2po.runlog.race import RaceRecord, write_race
from tests.process.processes import NIM, write_config

SELECTED = "selected by a race of 2 experiments (heldout_reward:3): the mean is biased upwards"
DEFERRED = "deferred by a race of 2 experiments (heldout_reward:3): fewer runs because of their results"


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two experiments with two runs each, of which another one was not made."""
    folder = tmp_path_factory.mktemp("raced")
    for name, method in (("a", "r2po"), ("b", "props")):
        values = {**NIM, "method": method, "llm_model_name": "embedded/search", "num_iterations": 3}
        config = write_config(folder, {**values, "logdir": str(folder / "logs" / name)}, f"{name}.yaml")
        for seed in ("1", "2"):
            assert main(["run", "--config", str(config), "--seed", seed, "--quiet"]) == 0
        record = RaceRecord("one", "heldout_reward:3", 2, name == "b", ("../b/run_4",))
        write_race(folder / "logs" / name, record)
    return folder


@pytest.mark.parametrize(
    ("command", "marked"),
    [
        (["paper_salience_analysis", "--formats", "md", "--output-dir", "."], [("salience.md", SELECTED)]),
        (["paper_significance_tests", "--output", "tests.md"], [("tests.md", SELECTED), ("tests.md", DEFERRED)]),
    ],
)
def test_what_is_written_repeats_it(
    command: Sequence[str], marked: Sequence[tuple[str, str]], raced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(raced)
    assert main(command) == 0
    for file, mark in marked:
        assert mark in (raced / file).read_text(), file


def test_summaries_repeat_it(raced: Path) -> None:
    for name, mark in (("a", SELECTED), ("b", DEFERRED)):
        summary = summarise_runs(load_log_directory(raced / "logs" / name), name)
        assert summary["race"].startswith(mark)
        assert mark in runs_text(summary, name, Basis(fresh=False))
    (raced / "logs/b/race.json").rename(raced / "kept.json")
    assert "race" not in summarise_runs(load_log_directory(raced / "logs/b"), "b")
    (raced / "kept.json").rename(raced / "logs/b/race.json")


def test_a_page_of_a_run_says_it_in_its_head(raced: Path) -> None:
    assert SELECTED in head_of_log(read_log(RunDirectory(raced / "logs/a/run_1")), 3)["badges"]


def test_a_report_is_made_anew_when_what_was_left_out_elsewhere_is_complete(raced: Path) -> None:
    (part,) = [each for each in find_experiments(str(raced / "logs")) if each.path.name == "a"]
    (raced / "logs/a/eval_report").mkdir(exist_ok=True)
    Kept([part], "state", ()).keep(["said"])
    assert Kept([part], "state", ()).find() == ("said",)
    made = raced / "logs/b/run_4"
    made.mkdir()
    (made / "result.json").write_text(json.dumps({"schema": 5}))
    assert Kept([part], "state", ()).find() is None
    (made / "result.json").unlink()
    made.rmdir()
