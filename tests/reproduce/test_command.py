"""The command as people give it: cost, runs, tables and page; stopped, continued, and with runs that fail."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from r2po.cli import main
from r2po.cli import reproduce as command
from r2po.cli.inside import call_quietly
from r2po.errors import InputError
from r2po.reproduce import making, writing
from r2po.reproduce.part import Command, Experiment
from r2po.sweep.forecast.report import check_approved
from r2po.sweep.sweep import SweepStopped
from tests.reproduce.made import make_runs, request_for

SMALL = ["r2po", "--table", "tau_c", "--smoke", "--only", "pong", "--runs", "1", "--report", "none", "--jobs", "1"]
SMALL += ["--set", "rollout_engine=reference"]
"""Three experiments with one tiny run each."""


def reproduce(*arguments: str) -> int:
    return main(["reproduce", *arguments])


@pytest.mark.slow
def test_a_part_is_made_written_again_and_outlives_a_bad_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One test, as its runs take most of its time."""
    three_times(tmp_path, capsys)


def test_what_is_made_of_runs_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with runs made by hand in the place of the sweep, and without reports of log directories."""
    request = request_for(tmp_path, table="tau_c", only=["pong"], smoke=True, runs=1)

    def make(options: argparse.Namespace) -> int:
        options.when_accepted()
        for each in request.runs:
            if not list(tmp_path.glob(f"logs/{Path(each.config).stem}/run_1")):
                make_runs(request.place.logs, each, 1, climbing, stand_in=True, model="embedded/search")
            elif (request.place.logs / Path(each.config).stem / "run_1/run.yaml").read_text() == "{":
                raise SweepStopped(f"{Path(each.config).stem}/run_1: run.yaml is damaged")
        return 0

    def quietly(name: str, arguments: Sequence[str]) -> list[str]:
        return [] if name == "eval_all_results" else call_quietly(name, arguments)

    monkeypatch.setattr(command, "call", make)
    monkeypatch.setattr(command, "call_quietly", quietly)
    monkeypatch.setattr(making, "TABLES", ("md", "csv", "latex", "json"))  # a picture takes longer than all of these
    three_times(tmp_path, capsys, reports=False)


def climbing(_: Experiment, number: int) -> Sequence[float]:
    return [0.0, float(number)]


def three_times(tmp_path: Path, capsys: pytest.CaptureFixture[str], *, reports: bool = True) -> None:
    assert reproduce(*SMALL, "--output", str(tmp_path), "--quiet") == 0
    everything_is_there_and_says_that_it_is_smoke(tmp_path)
    if reports:
        assert (tmp_path / "tau_c_pong/tables/tau_c_sensitivity.png").is_file()
        each_log_directory_has_a_report(tmp_path)
    capsys.readouterr()
    the_same_command_only_writes_again(tmp_path)
    assert "no distances" in capsys.readouterr().out
    a_bad_run_is_named_and_keeps_no_other_from_its_table(tmp_path)
    assert "pong_tau_c_sensitivity_half/run_1" in capsys.readouterr().err


def everything_is_there_and_says_that_it_is_smoke(done: Path) -> None:
    folder = done / "tau_c_pong"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    tables = {f"{place}/tau_c_sensitivity" for place in ("tables", "tables_on_fresh_episodes")}
    assert names >= {f"{table}.{suffix}" for table in tables for suffix in ("md", "csv", "tex", "json")}
    assert names >= {"index.html", "cells.json", "cells.csv", "commands.sh"}
    for table in tables:
        text = (folder / f"{table}.md").read_text(encoding="utf-8")
        assert "smoke" in text
        assert "published" not in text.replace("published protocol", "")
    for name in ("index.html", "cells.csv"):
        assert "smoke" in (folder / name).read_text(encoding="utf-8")
    cells = json.loads((folder / "cells.json").read_text(encoding="utf-8"))
    assert cells["smoke"] is cells["stand_in"] is True
    assert len(cells["cells"]) == 9
    assert all(cell["ours"] is not None and cell["distance"] is None for cell in cells["cells"])


def each_log_directory_has_a_report(done: Path) -> None:
    summaries = list((done / "logs").glob("*/eval_report/summary.json"))
    assert len(summaries) == 3
    assert all("smoke" in json.loads(path.read_text(encoding="utf-8"))["race"] for path in summaries)


def the_same_command_only_writes_again(done: Path) -> None:
    results = {path: path.stat().st_mtime_ns for path in done.glob("logs/*/run_1/*")}
    page = done / "tau_c_pong/index.html"
    before = page.read_bytes()
    page.unlink()
    assert reproduce(*SMALL, "--output", str(done)) == 0
    assert {path: path.stat().st_mtime_ns for path in done.glob("logs/*/run_1/*")} == results
    assert page.read_bytes() == before


def a_bad_run_is_named_and_keeps_no_other_from_its_table(done: Path) -> None:
    (bad,) = done.glob("logs/pong_tau_c_sensitivity_half/run_1")
    (bad / "run.yaml").write_text("{", encoding="utf-8")
    assert reproduce(*SMALL, "--output", str(done)) == 1
    page = (done / "tau_c_pong/index.html").read_text(encoding="utf-8")
    assert "pong_tau_c_sensitivity_half" in page
    cells = json.loads((done / "tau_c_pong/cells.json").read_text(encoding="utf-8"))["cells"]
    assert [cell["column"] for cell in cells if cell["ours"] is None] == ["tau_c half"] * 3


COST = ["r2po", "--table", "tau_c", "--only", "pong", "--runs", "2", "--model", "gpt-4o-mini"]
PRICES = ["--set", "prices.input=1", "prices.output=2", "max_output_tokens=500"]


def test_the_sweep_is_asked_for_the_cost_of_the_same_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(command, "call", asked.append)
    more = ["--dry-run", "--json", "--reply-s", "8", "--jobs", "4", "--max-cost", "9", "--approve-cost", "7"]
    assert reproduce(*COST, *PRICES, "--output", str(tmp_path), *more) == 0
    (options,) = asked
    assert [Path(config).stem for config in options.config] == [f"pong_{name}" for name in NAMES]
    assert options.overrides == ["llm_model_name=gpt-4o-mini", *PRICES[1:]]
    assert (options.runs, options.logs, options.name) == (2, str(tmp_path / "logs"), "r2po_tau_c_pong")
    assert (options.dry_run, options.json, options.reply_s, options.jobs) == (True, True, 8, 4)
    assert (options.max_cost, options.approve_cost) == (9, 7)


@pytest.mark.slow
def test_the_cost_is_that_of_the_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reproduce(*COST, *PRICES, "--output", str(tmp_path), "--dry-run", "--json", "--reply-s", "8") == 0
    ours = json.loads(capsys.readouterr().out)
    configs = [f"configs/pong/pong_{name}.yaml" for name in NAMES]
    settings = ["llm_model_name=gpt-4o-mini", *PRICES[1:]]
    asked = [*configs, "--runs", "2", "--logs", str(tmp_path / "logs"), "--set", *settings]
    assert main(["sweep", *asked, "--dry-run", "--json", "--reply-s", "8"]) == 0
    theirs = json.loads(capsys.readouterr().out)
    for key in ("calls", "tokens_in", "tokens_out", "cost"):
        assert ours["total"][key] == pytest.approx(theirs["total"][key], rel=0.1)
    assert ours["total"]["calls"] == 3 * 2 * 200
    assert ours["total"]["cost"] > 0
    assert ours["total"]["hours"] > 0
    assert list(tmp_path.iterdir()) == []


NAMES = ("reflective_prompted_policy_optimization", "tau_c_sensitivity_half", "tau_c_sensitivity_none")


@pytest.mark.slow
def test_nothing_begins_that_costs_more_than_was_approved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "no-key")
    assert reproduce(*COST, *PRICES, "--output", str(tmp_path), "--approve-cost", "0.01") == 2
    assert "this plan may cost" in capsys.readouterr().err
    assert not list(tmp_path.rglob("run_*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["r2p"], "did you mean 'r2po'"),
        (["props", "--table", "variants"], "known: core"),
        (["r2po", "--json"], "add --dry-run"),
        (["r2po", "--table", "search", "--model", "x"], "asks no model"),
        (["r2po", "--only", "hopper"], "whose environments are"),
        (["r2po", "--without-sb3", "--set-sb3", "eval_episodes=1"], "--without-sb3 leaves its suites out"),
        (["r2po", "--table", "search", "--set-sb3", "eval_episodes=1"], "the table search has none of its suites"),
        (["r2po", "--cancel-batches"], "add --batch"),
        (["r2po", "--cancel-batches", "--batch", "--dry-run", "--without-sb3"], "leave one out"),
        (["r2po", "--set", "temprature=1", "--without-sb3", "--only", "nim", "--dry-run"], "temperature"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert reproduce(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_cancelling_batches_ends_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def call(options: Any) -> int:
        asked.append(options)
        return 0

    monkeypatch.setattr(command, "call", call)
    assert reproduce("r2po", "--batch", "--cancel-batches", "--output", str(tmp_path)) == 0
    (options,) = asked
    assert options.cancel_batches
    assert options.when_accepted is None
    assert list(tmp_path.iterdir()) == []


def test_a_table_without_figures_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(command, "call", lambda _: 0)
    monkeypatch.setattr(command, "call_quietly", lambda *_: [])
    asked = ["--table", "salience", "--only", "frozenlake", "--output", str(tmp_path), "--quiet"]
    assert reproduce("r2po", *asked) == 0
    assert "this table has no published figures of what was asked for" in capsys.readouterr().out
    page = (tmp_path / "salience_frozenlake/index.html").read_text(encoding="utf-8")
    assert "There are no published figures of FrozenLake in this table" in page


def test_a_cost_that_is_not_known_names_the_options_that_tell_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("r2po.sweep.forecast.report._bases_of", lambda _: [SimpleNamespace(**UNPRICED)])
    total = SimpleNamespace(cost_to_approve=None)
    with pytest.raises(InputError, match=r"no prices of gpt-4o-mini \(set .* --set prices\.input=X prices\.output=Y"):
        check_approved(SimpleNamespace(total=total), 5.0)  # type: ignore[arg-type]


UNPRICED = {"without_prices": ("gpt-4o-mini",), "unlimited": ()}


@pytest.mark.parametrize(("logs", "folder"), [("a", "/x/core"), (".", "core"), ("/data/logs", "/data/core")])
def test_commands_on_the_page_name_folders_alone(logs: str, folder: str) -> None:
    request = request_for(Path("out"))
    request = replace(request, place=replace(request.place, logs=Path(logs), folder=Path(folder)))
    place = request.place
    made = Command("paper_results_tables", [*place.from_logs, "--a-table", place.file("tables"), f"{logs}/pong/run_1"])
    expected = "r2po paper_results_tables --logs-root LOGS --max-runs 10 --a-table FOLDER/tables LOGS/pong/run_1"
    assert writing._told(made, request) == expected


def test_columns_without_their_extra_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from r2po.baselines.sb3 import algorithms

    monkeypatch.setattr(algorithms, "find_spec", lambda _: None)
    monkeypatch.setattr(command, "call", lambda _: 0)
    asked = ["--only", "maze", "--runs", "1", "--output", str(tmp_path), "--dry-run"]
    assert reproduce("r2po", *asked, "--set-sb3", "zoo_hyperparams_dir=null") == 0
    assert "Stable-Baselines3 are left out: the Stable-Baselines3 baselines need" in capsys.readouterr().out


@pytest.mark.slow
def test_the_core_table_from_its_runs_to_its_page(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    assert reproduce("r2po", "--table", "core", "--runs", "2", "--smoke", "--output", str(tmp_path), "--quiet") == 0
    cells = json.loads((tmp_path / "core/cells.json").read_text(encoding="utf-8"))["cells"]
    assert len(cells) == 80
    assert all(cell["ours"] is not None for cell in cells)
    names = {path.relative_to(tmp_path / "core").as_posix() for path in (tmp_path / "core").rglob("*")}
    assert names >= {"index.html", "report.html", "curves/reward.png", "tests/best_best_reward.md"}
    assert names >= {"tables/core_mean_best_reward.md", "robust/best_reward_aggregates.md"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("paper", "table"), [("r2po", "variants"), ("r2po", "salience"), ("r2po", "search"), ("props", "core")]
)
def test_other_tables_from_their_runs_to_their_page(tmp_path: Path, paper: str, table: str) -> None:
    asked = ["--table", table, "--only", "pong", "--runs", "2", "--smoke", "--without-sb3", "--report", "none"]
    assert reproduce(paper, *asked, "--output", str(tmp_path), "--quiet") == 0
    page = (tmp_path / f"{table}_pong" / "index.html").read_text(encoding="utf-8")
    assert "smoke" in page
    assert "has made nothing" not in page
