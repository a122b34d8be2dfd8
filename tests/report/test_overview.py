from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from r2po.report.blocks import Wanted, blocks_of
from r2po.report.overview import UNSET, Member, badges_of, member_of, overview_of
from r2po.report.packing import pack
from r2po.runlog import open_run
from tests.analysis.made_logs import write_run
from tests.report.runs import with_cost


def member(folder: Path, number: int, rewards: Sequence[float], **changes: Any) -> Member:
    run = write_run(folder, number, rewards, **changes)
    return member_of(f"run{number}", folder, blocks_of(open_run(run), Wanted(motion="none"), lambda _: None).core)


def test_median_and_quartiles_as_far_as_all_runs_go(tmp_path: Path) -> None:
    rewards = [[1.0, 10.0, 3.0], [2.0, 20.0], [3.0, 60.0, 9.0]]
    planned = {"num_iterations": 3}
    members = [member(tmp_path / "a", number, each, config=planned) for number, each in enumerate(rewards, 1)]
    (experiment,) = overview_of(members, {})["experiments"]
    assert experiment["runs"] == [0, 1, 2]
    assert experiment["curve"] == {"x": [1, 2], "low": [1.5, 15.0], "middle": [2.0, 20.0], "high": [2.5, 40.0]}


def test_runs_of_one_folder_with_other_settings_are_another_experiment(tmp_path: Path) -> None:
    members = [
        member(tmp_path / "a", 1, [1.0, 2.0]),
        member(tmp_path / "a", 2, [1.0, 2.0]),
        member(tmp_path / "a", 3, [1.0, 2.0], config={"temperature": 0.5}),
        member(tmp_path / "b", 1, [1.0, 2.0], config={"temperature": 0.5}),
        member(tmp_path / "c", 1, [1.0, 2.0], config={"method": "propsp"}),
    ]
    overview = overview_of(members, {})
    assert [each["runs"] for each in overview["experiments"]] == [[0, 1], [2], [3], [4]]
    assert [each["label"] for each in overview["experiments"]] == [
        "ProPS (a, 1)",
        "ProPS (a, 2)",
        "ProPS (b)",
        "ProPS+",
    ]
    assert overview["differences"]["names"] == ["method", "temperature"]
    assert overview["differences"]["values"][1] == [UNSET, "0.5", "0.5", UNSET]


def test_folders_of_one_name_are_two_experiments(tmp_path: Path) -> None:
    """Somebody's runs beside those of somebody else: medians over both would be of no experiment."""
    members = [member(tmp_path / owner / "cartpole", 1, [1.0, 2.0]) for owner in "ab"]
    overview = overview_of(members, {})
    assert [each["runs"] for each in overview["experiments"]] == [[0], [1]]
    assert [each["label"] for each in overview["experiments"]] == ["ProPS (cartpole, 1)", "ProPS (cartpole, 2)"]
    assert str(tmp_path) not in str(overview)


def test_the_seed_and_places_are_no_settings(tmp_path: Path) -> None:
    members = [member(tmp_path / "a", number, [1.0], config={"seed": number}) for number in (1, 2)]
    overview = overview_of(members, {})
    assert len(overview["experiments"]) == 1
    assert overview["differences"] == {"names": [], "values": []}


def test_the_outcomes_of_runs(tmp_path: Path) -> None:
    done = member(tmp_path / "a", 1, [1.0, 7.0, 3.0], heldout=6.5)
    begun = member(tmp_path / "b", 2, [1.0], complete=False)
    first, second = overview_of([done, begun], {"run1": "pages/one.html"})["runs"]
    assert [first[key] for key in ("best", "heldout", "last", "iterations", "complete")] == [7.0, 6.5, 3.0, 3, True]
    assert (first["file"], second["id"]) == ("pages/one.html", "run2")
    assert [second[key] for key in ("heldout", "complete", "cost")] == [None, False, None]


def test_money_is_known_without_the_log_of_calls(tmp_path: Path) -> None:
    run = with_cost(tmp_path / "a", 0.0042)
    core = blocks_of(open_run(run), Wanted(motion="none"), lambda _: None).core
    assert core["spent"] == []
    assert overview_of([member_of("run1", run.parent, core)], {})["runs"][0]["cost"] == 0.0042


@pytest.mark.parametrize(("stand_ins", "badge"), [(1, ["embedded stand-in: 1 of these runs"]), (0, [])])
def test_what_is_marked(tmp_path: Path, stand_ins: int, badge: list[str]) -> None:
    members = [
        member(tmp_path / "a", number, [1.0], description={"stand_in": number <= stand_ins}) for number in (1, 2)
    ]
    assert badges_of(members) == badge


def test_a_run_without_iterations_is_shown_too(tmp_path: Path) -> None:
    empty = member(tmp_path / "a", 1, [], complete=False)
    overview = overview_of([empty, member(tmp_path / "b", 1, [2.0])], {})
    assert overview["experiments"][0]["curve"] == {"x": [], "low": [], "middle": [], "high": []}
    assert pack(overview)
