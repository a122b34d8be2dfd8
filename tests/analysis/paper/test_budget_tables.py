"""What methods reach at the same budget, and what a target takes: small logs with answers by hand."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.analysis.logs.experiments import ExperimentLogs, find_experiments
from r2po.analysis.output.tables import Table, to_csv
from r2po.analysis.paper.budget import Question
from r2po.analysis.paper.budget_tables import build_budget_tables
from r2po.cli import main
from tests.analysis.made_calls import write_calls
from tests.analysis.made_logs import write_run
from tests.analysis.published_format import write_published_run

RANDOM, TARGET = 19.67, 500.0
"""CartPole's, of the task card."""


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """ProPS: two runs of 3 iterations, which end at 14, 18 and 22 episodes; R2PO: one run of 5, up to 30."""
    write_run(tmp_path / "a", 1, [100.0, 300.0, 200.0])
    write_run(tmp_path / "a", 2, [50.0, 40.0, 460.0])
    write_run(tmp_path / "b", 1, [10.0, 20.0, 480.0, 30.0, 490.0], config={"method": "r2po"})
    return tmp_path


def ask(logs: Path, **question: Any) -> dict[str, Table]:
    tables, _ = build_budget_tables("search", find_experiments(logs), Question(**question))
    return tables


def row(table: Table) -> dict[str, str]:
    (first,) = csv.DictReader(to_csv(table).splitlines())
    return first


def figures(table: Table, column: str) -> Any:
    return table.cells[0][list(table.columns).index(column)].figures


def test_the_incumbent_at_the_same_budget(logs: Path) -> None:
    """All have spent 22 episodes: there ProPS has 300 and 460; R2PO has 480, and not yet 490."""
    cells = row(ask(logs)["at_budget"])
    assert (cells["episodes"], cells["ProPS"], cells["R2PO"]) == ("22", "380.00 ± 113.14", "480.00 ± 0.00")
    cells = row(ask(logs, at=18)["at_budget"])
    assert (cells["episodes"], cells["ProPS"], cells["R2PO"]) == ("18", "175.00 ± 176.78", "20.00 ± 0.00")


def test_no_value_before_the_first_iteration(logs: Path) -> None:
    assert row(ask(logs, at=13)["at_budget"])["ProPS"] == ""


def test_runs_that_end_before_the_budget_are_named(logs: Path) -> None:
    table = ask(logs, at=30)["at_budget"]
    assert row(table)["ProPS"] == "380.00 ± 113.14"
    assert "Ended before the budget, counted with their last value: ProPS on CartPole (run_1, run_2)." in table.notes


def test_unfinished_runs_count_as_far_as_they_came(logs: Path) -> None:
    write_run(logs / "a", 3, [400.0], complete=False, config={"num_iterations": 3})
    assert row(ask(logs)["at_budget"])["ProPS"] == "380.00 ± 113.14", "it had spent 14 of 22"
    table = ask(logs, at=14)["at_budget"]
    assert figures(table, "ProPS")["runs"] == 3
    assert any("1 of 3 of ProPS on CartPole (run_3: 1 of 3 iterations)" in note for note in table.notes)


def test_the_mean_up_to_the_budget(logs: Path) -> None:
    """From 0 to 14 a random policy, then what was best so far."""
    table = ask(logs)["area"]
    first = (14 * RANDOM + 4 * 100 + 4 * 300) / 22
    second = (14 * RANDOM + 4 * 50 + 4 * 50) / 22
    assert figures(table, "ProPS")["mean"] == pytest.approx((first + second) / 2)
    assert figures(table, "R2PO")["mean"] == pytest.approx((14 * RANDOM + 4 * 10 + 4 * 20) / 22)


def test_what_a_target_takes(logs: Path) -> None:
    """The target is 451.97: one run of ProPS reaches it at 22, the other ends there without; R2PO's at 22."""
    table = ask(logs)["to_target"]
    cells = row(table)
    assert cells["target"] == "451.97"
    assert cells["ProPS"] == "22; 1 of 2 runs; mean 22 up to 22"
    assert cells["R2PO"] == "22; 1 of 1 runs; mean 22 up to 22"
    assert row(ask(logs, reward=485.0)["to_target"])["ProPS"] == ">22; 0 of 2 runs"
    assert row(ask(logs, reward=485.0)["to_target"])["R2PO"] == "30; 1 of 1 runs; mean 22 up to 22"
    assert figures(ask(logs, reward=200.0, at=30)["to_target"], "ProPS")["median"] == 18


def test_a_mean_beyond_the_end_of_all_runs_is_not_known(logs: Path) -> None:
    assert figures(ask(logs, at=30)["to_target"], "ProPS")["restricted_mean"] is None
    found = figures(ask(logs, at=30)["to_target"], "R2PO")
    assert (found["restricted_mean"], found["limit"]) == (22, 30)


def test_the_random_reward_of_the_card_is_where_it_starts(logs: Path) -> None:
    assert Question(share=0.5).target(find_experiments(logs)[0].task) == pytest.approx((RANDOM + TARGET) / 2)


def test_methods_without_a_model_make_no_calls(logs: Path) -> None:
    write_run(logs / "c", 1, [470.0], config={"method": "random_search"}, description={"model": "none"})
    tables = ask(logs, unit="calls")
    cells = row(tables["at_budget"])
    assert (cells["calls"], cells["ProPS"], cells["R2PO"]) == ("6", "380.00 ± 113.14", "480.00 ± 0.00")
    assert cells["Random search"] == "470.00 ± 0.00; no calls"
    best = [cell.is_best for cell in tables["at_budget"].cells[0]]
    assert best[list(tables["at_budget"].columns).index("R2PO")]
    assert row(tables["area"])["Random search"] == row(tables["to_target"])["Random search"] == "; no calls".strip("; ")


def test_tokens_are_a_budget(logs: Path) -> None:
    for name, calls in (("a/run_1", 3), ("a/run_2", 3), ("b/run_1", 5)):
        write_calls(logs / name, [(number, "search", 90, 10) for number in range(1, calls + 1)])
    cells = row(ask(logs, unit="tokens", at=200)["at_budget"])
    assert (cells["tokens"], cells["ProPS"], cells["R2PO"]) == ("200", "175.00 ± 176.78", "20.00 ± 0.00")


def test_what_is_not_on_record_is_named(logs: Path) -> None:
    tables = ask(logs, unit="money")
    assert row(tables["at_budget"])["ProPS"] == ""
    assert any(note.startswith("No money on record: ProPS on CartPole (") for note in tables["area"].notes)


def reevaluated(experiments: list[ExperimentLogs], methods: set[str]) -> list[ExperimentLogs]:
    """Give runs of these methods rewards on fresh episodes, 7 less than the logged ones."""
    return [
        replace(each, runs=tuple(replace(run, reevaluated=run.rewards - 7) for run in each.runs))
        if each.method in methods
        else each
        for each in experiments
    ]


def test_fresh_rewards_are_shown_if_all_runs_have_them_and_never_mixed(logs: Path) -> None:
    found = find_experiments(logs)
    tables, _ = build_budget_tables("search", reevaluated(found, {"props", "r2po"}), Question())
    assert row(tables["at_budget"])["ProPS"].startswith("373.00")
    assert any(
        "its mean return on fresh episodes" in note or "mean return on fresh" in note for note in tables["area"].notes
    )
    tables, _ = build_budget_tables("search", reevaluated(found, {"r2po"}), Question())
    assert (row(tables["at_budget"])["ProPS"][:3], row(tables["at_budget"])["R2PO"][:3]) == ("380", "480")
    assert any("which flatters" in note for note in tables["area"].notes)
    all_fresh = reevaluated(found, {"props", "r2po"})
    tables, _ = build_budget_tables("search", all_fresh, Question(), as_published=True)
    assert row(tables["at_budget"])["ProPS"].startswith("380.00")


def test_at_the_same_budget_neither_of_two_equal_methods_wins_but_over_all_episodes_the_longer_does(
    tmp_path: Path,
) -> None:
    """Both draw the same noisy rewards; one has three times the episodes. Its best is larger, its incumbent is not."""
    rng = np.random.default_rng(0)
    for number in range(1, 41):
        write_run(tmp_path / "a", number, list(rng.normal(200, 20, 20)), config={"num_iterations": 20})
        write_run(tmp_path / "b", number, list(rng.normal(200, 20, 60)), config={"method": "r2po"})
    found = find_experiments(tmp_path)
    props, r2po = (np.array(each.values("best_reward")) for each in found)
    error = float(np.hypot(props.std(ddof=1), r2po.std(ddof=1)) / 40**0.5)
    assert (r2po.mean() - props.mean()) / error > 3
    tables, _ = build_budget_tables("core", found, Question())
    scores = [figures(tables["at_budget"], label)["mean"] for label in ("R2PO", "ProPS")]
    assert abs(scores[0] - scores[1]) / error < 2


def test_command(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["paper_budget_tables", "--logs-root", str(logs), "--output-dir", str(out), "--preset", "search"]
    assert main([*arguments, "--at", "4", "calls", "--formats", "json", "md", "png"]) == 0
    names = {
        f"search_calls_{name}.{suffix}"
        for name in ("at_budget", "area", "to_target")
        for suffix in ("json", "md", "png")
    }
    assert {path.name for path in out.iterdir()} == names
    (first,) = json.loads((out / "search_calls_at_budget.json").read_text())["rows"]
    assert first["ProPS"]["mean"] == 175
    capsys.readouterr()
    for wrong, message in (
        (["--at", "4", "call"], "error: unknown unit of --at 'call' (did you mean 'calls'?)"),
        (["--at", "0", "calls"], "error: --at '0' is no budget; expected a number above 0, or 'equal'"),
        (["--at", "1", "calls", "x"], "error: --at 1 calls x: expected a number or 'equal', and a unit"),
        (["--envs", "nimm"], "did you mean 'nim'"),
    ):
        assert main([*arguments, *wrong]) == 2
        assert message in capsys.readouterr().err


def test_nothing_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper_budget_tables", "--logs-root", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "error: nothing to compare: no run with iterations was found\n"


def test_published_logs_have_episodes_and_steps(tmp_path: Path) -> None:
    write_published_run(tmp_path / "nim_props", 1, [-1.0, 1.0])
    tables, _ = build_budget_tables("core", find_experiments(tmp_path), Question("steps"))
    assert row(tables["at_budget"])["ProPS"] == "1.00 ± 0.00"
    assert row(tables["to_target"])["ProPS"] == "200; 1 of 1 runs; mean 200 up to 200"
