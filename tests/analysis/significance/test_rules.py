"""Pairs, what was declared, effects and published tests, as the command shows them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from r2po.analysis.logs.built_in import task_facts
from r2po.analysis.output.style import paper_style
from r2po.analysis.published import published_tests
from r2po.analysis.significance.figure import significance_figure
from r2po.analysis.significance.groups import Group, pairs
from r2po.analysis.significance.rules import Primary, Rules, parse_primary
from r2po.analysis.significance.tests import compare
from r2po.analysis.statistics.holm import holm
from r2po.analysis.statistics.welch import welch
from r2po.cli import main
from r2po.errors import InputError
from tests.analysis.baseline_logs import R2PO
from tests.analysis.baseline_logs import write_runs as write_published
from tests.analysis.made_logs import write_run

VALUES = {"r2po": (5.0, 7.0, 6.0, 9.0, 8.0), "props": (4.0, 6.5, 5.5, 7.0, 7.0), "propsp": (6.0, 3.0, 5.0, 4.0, 1.0)}


def write(root: Path, seeds: dict[str, tuple[int, ...]] | None = None, **description: Any) -> Path:
    """Write runs on CartPole with the mean rewards ``VALUES``."""
    for method, values in VALUES.items():
        for number, value in enumerate(values, 1):
            seed = (seeds or {}).get(method, range(1, 6))[number - 1]
            about = {"seed": seed, **description}
            write_run(root / method, number, [value], description=about, config={"method": method})
    return root


def records(root: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, dict[str, Any]]:
    """Return the objects of JSON on CartPole, by baseline."""
    assert main(["paper_significance_tests", "--logs-root", str(root), "--format", "json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    return {each["baseline_method"]: each for each in found if each["environment"] == "cartpole"}


def text(root: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["paper_significance_tests", "--logs-root", str(root), *options]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("protocol", ["published", "controlled"])
def test_runs_of_equal_seeds_are_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str], protocol: str) -> None:
    # In another order: run 1 of ProPS has the seed of run 5 of R2PO.
    write(tmp_path, {"props": (5, 4, 3, 2, 1)}, protocol=protocol)
    row = records(tmp_path, capsys, "--comparison-mode", "all")["ProPS"]
    expected = stats.ttest_rel(VALUES["r2po"], VALUES["props"][::-1])
    assert row["test"] == "paired by seed, n = 5"
    assert (row["t_statistic"], row["raw_p"]) == pytest.approx((expected.statistic, expected.pvalue))
    assert (row["degrees_of_freedom"], row["permutation_floor"]) == (4.0, 2 / 2**5)
    never = records(tmp_path, capsys, "--comparison-mode", "all", "--pairing", "never")["ProPS"]
    assert never["test"] == "Welch, n = 5"
    assert never["raw_p"] == pytest.approx(welch(VALUES["r2po"], VALUES["props"]).p)
    published = records(tmp_path, capsys, "--comparison-mode", "all", "--as-published")["ProPS"]
    assert (published["test"], published["raw_p"]) == ("Welch, n = 5", never["raw_p"])


def test_runs_of_other_seeds_are_no_pairs_and_the_output_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {"props": (1, 2, 3, 4, 6)})
    row = records(tmp_path, capsys, "--comparison-mode", "all")["ProPS"]
    assert row["test"] == "Welch, n = 5"
    assert row["notes"][0].startswith("not paired: not every run of either has one of the other with its seed")


def test_what_shares_nothing_is_not_paired() -> None:
    ours = Group("r2po", "R2PO", (1.0, 2.0), seeds=(1, 2), protocol="controlled")
    same = Group("props", "ProPS", (3.0, 4.0), seeds=(2, 1), protocol="controlled")
    assert pairs(ours, same) == ((1.0, 2.0), (4.0, 3.0))
    assert pairs(ours, Group("sb3", "SB3-PPO", (3.0, 4.0), protocol="controlled")) is None
    assert pairs(ours, Group("props", "ProPS", (3.0, 4.0), seeds=(1, 2), protocol="published")) is None
    twice = Group("r2po", "R2PO", (1.0, 2.0), seeds=(1, 1), protocol="controlled")
    assert pairs(twice, Group("props", "ProPS", (3.0, 4.0), seeds=(1, 1), protocol="controlled")) is None


def test_logs_that_tell_no_seed_are_not_paired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_published(tmp_path / f"cartpole_{R2PO}", [[4.0], [5.0]])
    write_published(tmp_path / "cartpole_props", [[0.0], [1.0]])
    row = records(tmp_path, capsys)["ProPS"]
    assert row["test"] == "Welch, n = 2"
    assert not any("paired" in note for note in row["notes"])


def test_copied_runs_are_named_and_are_no_pairs_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path)
    shutil.copytree(tmp_path / "props" / "run_5", tmp_path / "props" / "run_6")
    row = records(tmp_path, capsys, "--comparison-mode", "all")["ProPS"]
    assert row["test"] == "paired by seed, n = 5"
    assert any("count once: run_5 of ProPS on CartPole (also run_6)" in note for note in row["notes"])


def test_environments_with_the_same_budgets_share_one_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for environment, gym_id in (("cartpole", "CartPole-v1"), ("pong", "Pong")):
        for method, rewards in (("props", [1.0, 2.0]), ("r2po", [1.0, 2.0, 3.0])):
            for number in (1, 2):
                changes = {"method": method, "gym_env_name": gym_id}
                write_run(tmp_path / f"{environment}_{method}", number, rewards, config=changes)
    assert main(["paper_significance_tests", "--logs-root", str(tmp_path), "--metric", "best_reward"]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if "Not at the same budget, in episodes" in line]
    assert [note.partition(") ")[2] for note in notes] == [
        "ProPS: Not at the same budget, in episodes per run: 18 (ProPS) to 22 (R2PO)."
    ]


def test_effects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    row = records(tmp_path, capsys, "--comparison-mode", "all", "--pairing", "never")["ProPS+"]
    x, y = VALUES["r2po"], VALUES["propsp"]
    ends = stats.ttest_ind(x, y, equal_var=False).confidence_interval()
    assert row["gap_interval"] == pytest.approx([ends.low, ends.high])
    assert row["probability_of_improvement"] == pytest.approx(stats.mannwhitneyu(x, y).statistic / 25)
    assert row["hedges_g_interval"][0] < row["hedges_g"] < row["hedges_g_interval"][1]
    # Its family is ProPS+ on CartPole alone: the level is 0.05.
    limit = stats.t.isf(0.025, row["degrees_of_freedom"])
    error = row["mean_gap"] / row["t_statistic"]
    power = stats.nct.sf(limit, row["degrees_of_freedom"], row["detectable_gap"] / error)
    assert (power, row["family_size"]) == (pytest.approx(0.8, abs=1e-6), 1)
    assert row["few_runs"] is False


def test_intervals_of_few_runs_are_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    assert "†" not in text(tmp_path, capsys)
    shown = text(tmp_path, capsys, "--max-runs", "4")
    assert shown.count("] †") == 3
    assert "† Fewer than 5 runs" in shown
    assert "†" not in text(tmp_path, capsys, "--max-runs", "4", "--format", "csv")
    assert records(tmp_path, capsys, "--max-runs", "4")["ProPS"]["few_runs"] is True


def test_nothing_is_primary_unless_it_was_declared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    shown = text(tmp_path, capsys)
    assert "--primary METRIC[:FAMILY[:CORRECTION]]" in shown
    assert "exploratory" not in shown
    assert records(tmp_path, capsys)["ProPS"]["role"] is None


def test_the_declared_comparison_is_one_family_and_all_else_is_exploratory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path)
    both = records(tmp_path, capsys, "--primary", "mean_reward:all:bonferroni")
    assert {(row["role"], row["family_size"]) for row in both.values()} == {("primary", 2)}
    assert both["ProPS"]["corrected_p"] == pytest.approx(min(1, 2 * both["ProPS"]["raw_p"]))
    one = records(tmp_path, capsys, "--primary", "mean_reward:ProPS+")
    assert {label: row["role"] for label, row in one.items()} == {"ProPS": "exploratory", "ProPS+": "primary"}
    other = text(tmp_path, capsys, "--metric", "final_reward", "--primary", "mean_reward:ProPS+")
    assert "final reward (exploratory)" in other
    assert "Declared primary: mean reward against ProPS+" in other
    assert "| primary" not in other


def test_two_families_of_primary_tests() -> None:
    values = {"cartpole": (1.0, 2.0, 4.0), "nim": (1.5, 3.0, 3.5)}
    environments = [
        (
            task_facts(name),
            [Group("r2po", "R2PO", (5.0, 6.0, 8.0)), Group("props", "ProPS", of), Group("propsp", "ProPS+", of)],
        )
        for name, of in values.items()
    ]
    rules = Rules(primary=Primary("best_reward", "all"))
    rows = compare(environments, "all", rules, "best_reward")
    assert [row.corrected_p for row in rows] == pytest.approx(holm([row.p or 0.0 for row in rows]).tolist())
    # Of another metric, the families are those of the baselines.
    rows = compare(environments, "all", rules, "mean_reward")
    assert [row.family for row in rows] == [2] * 4


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("best_rewar", "did you mean 'best_reward'?"),
        ("best_reward:best:hol", "did you mean 'holm'?"),
        ("best_reward::", "does not have the form"),
        ("a:b:c:d", "does not have the form"),
    ],
)
def test_declarations_that_say_nothing_are_refused(declared: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_primary(declared)
    assert said in str(caught.value)


@pytest.mark.parametrize("family", ["nobody", "pure_search", "r2po"])
def test_families_of_what_is_no_baseline_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], family: str
) -> None:
    write(tmp_path)
    assert main(["paper_significance_tests", "--logs-root", str(tmp_path), "--primary", f"best_reward:{family}"]) == 2
    assert family in capsys.readouterr().err
    options = ["--logs-root", str(tmp_path), "--primary", "best_reward", "--as-published"]
    assert main(["paper_significance_tests", *options]) == 2


def write_all_environments(root: Path, left_out: str = "") -> Path:
    for number, name in enumerate({key[0] for key in published_tests()} - {left_out}):
        write_published(root / f"{name}_{R2PO}", [[4.0 + number], [5.0], [6.0]])
        write_published(root / f"{name}_props", [[1.0], [2.0], [4.5]])
        for algorithm, value in (("PPO", 1.0), ("A2C", 2.0)):
            write_published(root / f"{name}_sb3" / algorithm, [[value], [2.0 * value], [4.0]])
    return root


def test_holm_beside_the_published_one_is_over_the_same_tests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--logs-root", str(write_all_environments(tmp_path)), "--format", "json", "--reference", "published")
    assert main(["paper_significance_tests", *options, "--comparison-mode", "all"]) == 0
    rows = json.loads(capsys.readouterr().out)
    sb3 = [row for row in rows if row["baseline_method"] == "SB3-A2C"]
    assert {row["family_size"] for row in sb3} == {20}  # ours are of both algorithms
    expected = dict(zip([r["environment"] for r in sb3], holm([r["raw_p"] for r in sb3]).tolist(), strict=True))
    beside = {row["environment"]: row["published"]["own_holm_p"] for row in sb3 if row["published"]}
    assert beside
    assert beside == pytest.approx({name: expected[name] for name in beside})
    props = [row for row in rows if row["baseline_method"] == "ProPS"]
    assert all(row["published"]["own_holm_p"] == row["holm_p"] for row in props)


def test_holm_of_other_tests_is_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--logs-root", str(write_all_environments(tmp_path, "nim")), "--format", "json")
    mode = ("--comparison-mode", "all", "--reference", "published")
    assert main(["paper_significance_tests", *options, *mode]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["published"]["own_holm_p"] for row in rows if row["published"]} == {None}


def test_gaps_are_compared_with_published_ones_by_t(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_published(tmp_path / f"nim_{R2PO}", [[0.4], [0.5], [0.9]])
    write_published(tmp_path / "nim_props", [[-0.5], [-0.2], [0.0]])
    call = ("--logs-root", str(tmp_path), "--format", "json", "--reference", "published")
    assert main(["paper_significance_tests", *call]) == 0
    ours = json.loads(capsys.readouterr().out)[0]["published"]
    assert main(["paper_significance_tests", *call, "--as-published"]) == 0
    z = json.loads(capsys.readouterr().out)[0]["published"]["z"]
    # Published: -0.59 ± 0.21 and 0.61 ± 0.03, 10 runs each.
    squares = [(0.07 / 3, 2), (0.19 / 3 / 3, 2), (0.21**2 / 10, 9), (0.03**2 / 10, 9)]
    total = sum(square for square, _ in squares)
    degrees = total**2 / sum(square**2 / each for square, each in squares)
    assert ours["z"] is None
    assert (ours["difference_t"], ours["difference_degrees"]) == pytest.approx((z, degrees), rel=1e-2)
    assert ours["difference_p"] == pytest.approx(2 * stats.t.sf(abs(z), degrees), rel=1e-2)
    assert main(["paper_significance_tests", *call, "--max-runs", "1"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["published"]["difference_t"] is None


def test_the_figure_names_its_test_and_shades_what_could_not_be_found() -> None:
    seeds = (1, 2, 3, 4)
    groups = [
        Group("r2po", "R2PO", (0.1, 0.3, 0.2, 0.6), seeds=seeds, protocol="controlled"),
        Group("props", "ProPS", (0.0, 0.3, 0.1, 0.4), seeds=seeds, protocol="controlled"),
        Group("propsp", "ProPS+", (0.0, 0.1, 0.3)),
    ]
    rows = compare([(task_facts("maze"), groups)], "all")
    with paper_style():
        figure = significance_figure(rows, "title", "Runs: some.")
    caption = figure.get_supxlabel().replace("\n", " ")
    assert "n = 3 to 4 runs each" in caption
    assert "95 % intervals of the t-test of pairs by seed (Maze / ProPS), else Welch's" in caption
    assert "† Fewer than 5 runs on a side: the interval holds only for normal values." in caption
    names = [each.get_text() for each in figure.axes[0].get_yticklabels()]
    assert names == ["Maze / ProPS †", "Maze / ProPS+ †"]
    unit = task_facts("maze")["optimum"] - task_facts("maze")["random_reward"]  # type: ignore[operator]
    bars = [bar.get_width() for bar in figure.axes[0].patches]  # type: ignore[attr-defined]
    found = [row.effect.detectable(1) for row in rows if row.effect]
    assert bars == pytest.approx([2 * gap / unit for gap in found if gap])
