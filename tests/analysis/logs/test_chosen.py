"""Methods and tasks of one's own in every analysis: they appear by themselves, or as they are asked for."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from r2po.analysis.logs.built_in import BUILT_IN
from r2po.analysis.logs.chosen import choose_methods
from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.logs.looks import distinct_methods, distinct_tasks
from r2po.cli import main
from r2po.errors import InputError
from r2po.methods import METHODS, Method
from r2po.runlog.facts import GREY, MethodFacts, Style, TaskFacts, style
from tests.analysis.made_logs import write_run


def method(name: str, label: str = "", look: Style = GREY) -> MethodFacts:
    return {**BUILT_IN["r2po"], "name": name, "label": label or name.title(), "style": look}


def task(name: str, label: str = "", optimum: float | None = 10.0, random: float | None = 0.0) -> TaskFacts:
    return {
        "name": name,
        "label": label or name.title(),
        "policy": "linear",
        "optimum": optimum,
        "random_reward": random,
        "conservative_threshold": 8.0,
    }


TANK, CAVE = task("tank"), task("cave", optimum=None, random=None)
OURS = {
    "zebra": method("zebra", "Zebra"),
    "apple": method("apple", "Apple", style("#003c98", (), "o")),  # R2PO's looks, but for a shade
    "twin": method("twin", "r2po"),
}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs each of three methods of one's own and two of ours, on two tasks that nobody knows."""
    root = tmp_path_factory.mktemp("logs")
    for where in (TANK, CAVE):
        for number, name in enumerate(("r2po", "props", *OURS)):
            facts = OURS.get(name) or BUILT_IN[name]
            for run in (1, 2, 3):
                rewards = [float(value) for value in np.linspace(0, 5 + number + run / 10, 4)]
                write_run(
                    root / f"{where['name']}_{name}",
                    run,
                    rewards,
                    description={"schema": 3, "method": facts, "task": where},
                    config={"gym_env_name": f"{where['label']}-v0", "method": name, "optimum": where["optimum"]},
                )
    return root


def columns(file: Path) -> list[str]:
    with file.open(encoding="utf-8") as lines:
        return next(csv.reader(lines))


def run(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[str, str]:
    assert "zebra" not in METHODS
    assert main([*map(str, arguments)]) == code
    said = capsys.readouterr()
    return said.out, said.err


# ---- By themselves ----


def test_they_follow_the_known_ones(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "paper_results_tables", "--logs-root", logs, "--output-dir", tmp_path, "--formats", "csv")
    with (tmp_path / "core_mean_best_reward.csv").open(encoding="utf-8") as file:
        rows = {row["environment"]: row for row in csv.DictReader(file)}
    assert list(rows["tank"])[1:8] == ["ProPS", "ProPS+", "R2PO", "SB3", "Apple", "r2po (twin)", "Zebra"]
    assert all(rows[name][own].startswith(value) for name in rows.keys() & {"tank", "cave"} for own, value in FOUND)
    assert {"tank", "cave"} <= rows.keys()


FOUND = [("R2PO", "5.20"), ("ProPS", "6.20"), ("Zebra", "7.20"), ("Apple", "8.20"), ("r2po (twin)", "9.20")]


# ---- As asked for ----


@pytest.mark.parametrize("command", ["paper_results_tables", "paper_budget_tables"])
def test_columns_are_those_that_are_asked_for_in_their_order(
    command: str, logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--logs-root", logs, "--output-dir", tmp_path, "--formats", "csv"]
    run(capsys, command, *place, "--methods", "zebra, R2PO,apple,cma_es")
    (file,) = [*tmp_path.glob("chosen*_mean_best_reward.csv"), *tmp_path.glob("chosen*_at_budget.csv")]
    found = [name for name in columns(file) if name in {"Zebra", "R2PO", "Apple", "CMA-ES", "ProPS", "r2po (twin)"}]
    assert found == ["Zebra", "R2PO", "Apple", "CMA-ES"]


def test_curves(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "paper_reward_curves", "--logs-root", logs, "--methods", "apple,r2po", "--output", tmp_path / "a.svg")
    drawn = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert drawn.index("<!-- Apple -->") < drawn.index("<!-- R2PO -->")
    assert "<!-- Zebra -->" not in drawn
    assert "<!-- Tank -->" in drawn
    assert "<!-- Cave -->" in drawn
    assert "#003c97" in drawn
    assert "#003c98" not in drawn


def test_tests(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--logs-root", logs, "--comparison-mode", "all", "--format", "json"]
    records = json.loads(run(capsys, "paper_significance_tests", *place, "--methods", "zebra,props")[0])
    tank = [each["baseline_method"] for each in records if each["environment"] == "tank"]
    assert tank == ["Zebra", "ProPS"]
    said, _ = run(capsys, "paper_significance_tests", *place[:-2], "--methods", "zebra,props")
    assert "apart for Zebra and ProPS" in said
    figure = tmp_path / "tests.svg"
    records = json.loads(run(capsys, "paper_significance_tests", *place, "--figure", figure)[0])
    drawn = " ".join(re.findall("<!-- (.*?) -->", figure.read_text(encoding="utf-8")))
    assert "Tested, but not shown, since the target or a random policy's reward is unknown: Cave / ProPS, " in drawn
    assert "nothing could be tested: Nim" in drawn
    tank = [each["baseline_method"] for each in records if each["environment"] == "tank"]
    assert tank == ["ProPS", "Apple", "r2po (twin)", "Zebra"]


def test_robust_statistics(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--logs-root", logs, "--output-dir", tmp_path, "--formats", "json", "svg", "--resamples", 50]
    run(capsys, "paper_robust_statistics", *place, "--methods", "zebra,r2po,apple")
    drawn = (tmp_path / "best_reward_performance_profiles.svg").read_text(encoding="utf-8")
    places = [drawn.index(f"<!-- {label} -->") for label in ("Zebra", "R2PO", "Apple")]
    assert places == sorted(places)
    assert "no random policy has been measured" in (tmp_path / "best_reward_robust_statistics.json").read_text()


def test_salience(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--logs-root", logs, "--output-dir", tmp_path, "--formats", "json"]
    run(capsys, "paper_salience_analysis", *place, "--methods", "twin,zebra")
    analyses = json.loads((tmp_path / "salience.json").read_text(encoding="utf-8"))["analyses"]
    together = [each["method"] for each in analyses if each["environment"] not in ("tank", "cave")]
    assert together == ["twin", "zebra"]


def test_evaluations(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["eval_all_results", "--logs-root", logs, "--figures", "experiments"]
    said, _ = run(capsys, *place, "--methods", "zebra,apple")
    assert [line.partition(" on ")[0] for line in said.splitlines()] == ["Zebra", "Apple"] * 2


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("zebr", "--methods: no method 'zebr' (did you mean 'zebra'?); in these logs: "),
        ("zebra,Zebra", "--methods names 'zebra' twice"),
        ("zebra:code2", "--methods: no method 'zebra:code2'"),
        ("SB3-PPO", "'SB3-PPO' is an algorithm of Stable-Baselines3"),
    ],
)
def test_what_there_is_not_takes_one_line(
    names: str, said: str, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("paper_results_tables", "paper_significance_tests", "eval_all_results"):
        _, error = run(capsys, command, "--logs-root", logs, "--methods", names, code=2)
        assert said in error
        assert len(error.splitlines()) == 1


def test_the_options_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    for others in (["paper_results_tables", "--preset", "search"], ["eval_all_results", "--only-method", "props"]):
        with pytest.raises(SystemExit):
            main([*others, "--methods", "r2po"])
        assert "not allowed with argument" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["eval_all_results", "--methods", "r2po,,props"])
    assert "is no list of names" in capsys.readouterr().err


def test_published_figures_of_some_methods(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--from-published", "--output-dir", tmp_path, "--formats", "csv"]
    run(capsys, "paper_results_tables", *place, "--methods", "r2po,props")
    assert columns(tmp_path / "chosen_mean_best_reward.csv")[1:3] == ["R2PO", "ProPS"]


def test_policies_of_another_family_are_a_method_of_their_own(tmp_path: Path) -> None:
    for policy in ("linear", "code"):
        about = {"schema": 3, "method": BUILT_IN["r2po"], "task": TANK}
        write_run(
            tmp_path / policy, 1, [1.0, 2.0], description=about, config={"gym_env_name": "Tank-v0", "policy": policy}
        )
    experiments = find_experiments(tmp_path)
    chosen = choose_methods(experiments, ["r2po:code", "r2po"])
    assert [(each.method, each.label, each.variant) for each in chosen.experiments] == [
        ("r2po:code", "R2PO (code)", ""),
        ("r2po", "R2PO", ""),
    ]
    assert [each["label"] for each in chosen.methods] == ["R2PO (code)", "R2PO"]
    with pytest.raises(InputError, match="no method 'r2po:rule'"):
        choose_methods(experiments, ["r2po:rule"])


# ---- Labels and looks ----


def test_labels_are_told_apart() -> None:
    found = [method("one", "Same"), method("two", "same"), method("three", "ProPS"), method("four"), BUILT_IN["props"]]
    labels = {name: facts["label"] for name, facts in distinct_methods(found).items()}
    assert labels == {"one": "Same (one)", "two": "same (two)", "three": "ProPS (three)", "four": "Four"}
    tasks = distinct_tasks([task("hall", "CartPole"), task("tank")])
    assert {name: facts["label"] for name, facts in tasks.items()} == {"hall": "CartPole (hall)", "tank": "Tank"}


def test_the_last_of_several_records_counts() -> None:
    assert distinct_methods([method("one", "Old"), method("one", "New")])["one"]["label"] == "New"


def test_looks_are_told_apart() -> None:
    found = [method(f"m{number}", f"M{number}") for number in range(4)]
    broken = method("broken", "Broken", {"colour": "blueish", "dashes": [1], "marker": "oo"})
    own = style("#123456", (1.0, 1.0), "o")
    settled = distinct_methods([*found, broken, method("z", "Z", own), BUILT_IN["r2po"], BUILT_IN["props"]])
    looks = [facts["style"] for facts in settled.values()] + [BUILT_IN[name]["style"] for name in ("r2po", "props")]
    assert len({look["colour"] for look in looks}) == len(looks)
    assert len({(look["marker"], tuple(look["dashes"])) for look in looks}) == len(looks)
    assert settled["z"]["style"] == own


def test_a_method_with_looks_that_cannot_be_drawn_is_refused() -> None:
    for look, said in (
        (style("red", (), "o"), "colour is 'red'; expected six hexadecimal digits"),
        (style("#123456", (), "?"), "marker is"),
        (style("#123456", (1, 0), "o"), "dashes is"),
    ):
        with pytest.raises(InputError, match=said):
            Method("odd", "Odd", lambda step: step, style=look)  # type: ignore[arg-type, return-value]
