from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.analysis.logs.comparable import choose
from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.logs.iteration_data import CandidateData
from r2po.analysis.logs.revisions import mean_returns
from r2po.analysis.salience.controls import same_table
from r2po.analysis.salience.counts import Counts
from r2po.analysis.salience.edits import EditRules
from r2po.analysis.salience.figures import WIDEST, salience_figure
from r2po.analysis.salience.report import Found, analyses_of, collect, to_records
from r2po.analysis.salience.returns import direction, extremes
from r2po.cli import main
from tests.analysis.made_logs import iteration, write_lines, write_run
from tests.analysis.published_archive import published_archive
from tests.analysis.revision_logs import Tried, write_revisions
from tests.analysis.salience.made_revisions import write_pairs

CATEGORY_NAMES = {
    "surgical_fix_backfires": "small_fix_backfires",
    "compulsive_revision_of_near_optimal": "near_optimal_broken",
    "history_guided_rescue": "rescue_from_history",
    "targeted_multi_state_fix": "multi_state_fix",
    "pinpoint_bottleneck_fix": "pinpoint_fix",
}
"""The published code's names of the patterns that occur in its sample logs."""

ITERATIONS = (
    # Regressions: strict with mention; old only (worst = median); strict by phrase; identical.
    Tried([1, 5, 9, 9], [1, 1, 1, 1], reply="The worst one falls."),
    Tried([1, 1, 1, 9], [1, 1, 1, 1], reply="The WORST one falls."),
    Tried([1, 5, 5, 5], [2, 2, 2, 2], reply="The worst\nrollout falls."),
    Tried([5, 5, 5, 5], [1, 5, 5, 5], reply="All fall."),
    # Improvements: strict with mention; strict without.
    Tried([1, 5, 9, 9], [50, 60, 70, 80], reply="worst trajectory"),
    Tried([1, 5, 9, 9], [7, 7, 7, 7], reply="fine"),
    # No change.
    Tried([1, 5, 9, 9], [6, 6, 6, 6], reply="worst"),
)


def found_in(root: Path, *, as_published: bool = False) -> list[Found]:
    experiments, _ = choose(find_experiments(root))
    return collect(experiments, EditRules(as_published=as_published))


def numbers(counts: Counts, *names: str) -> tuple[int, ...]:
    """Return how many iterations have each sign."""
    return tuple(getattr(counts, name).count for name in names)


def test_extremes_are_those_that_prompts_show() -> None:
    # The median of four is 3; the first return that is closest to it is 2.
    assert extremes(np.array([9.0, 2.0, 4.0, 1.0])) == extremes(np.array([1.0, 2.0, 4.0, 9.0]))
    shown = extremes(np.array([9.0, 2.0, 4.0, 1.0]))
    assert (shown.worst, shown.median, shown.best, shown.group) == (1.0, 2.0, 9.0, "all_diverse")


@pytest.mark.parametrize(
    ("returns", "group", "old", "strict"),
    [
        ([1, 1, 1], "identical", False, False),
        ([1, 1, 2], "worst_eq_median", True, False),
        ([1, 2, 2], "median_eq_best", True, True),
        ([1, 2, 3], "all_diverse", True, True),
    ],
)
def test_reward_groups_and_proxies(returns: list[float], group: str, old: bool, strict: bool) -> None:
    shown = extremes(np.array(returns, dtype=float))
    assert (shown.group, shown.old_proxy, shown.strict_proxy) == (group, old, strict)


def test_rounding_is_no_change() -> None:
    for first, second in (([0.1 + 0.2], [0.3]), ([0.1, 0.2, -0.3], [0.2, -0.3, 0.1]), ([-2 / 9] * 7, [-2 / 9] * 49)):
        both = [CandidateData("any", float(np.mean(each)), None, np.array(each)) for each in (first, second)]
        assert direction(*mean_returns((both[0], both[1]))) == "no_change"
    assert direction(0.3, 0.31) == "improvement"
    assert direction(0.0, -1e-12) == "regression"


def test_rollouts_that_differ_by_rounding_do_not_stand_out() -> None:
    shown = extremes(np.array([0.1 + 0.2, 0.3, 0.3]))
    assert (shown.group, shown.strict_proxy) == ("identical", False)


def test_counts_of_known_logs(tmp_path: Path) -> None:
    write_revisions(tmp_path / "cartpole_three_traj", 1, ITERATIONS)
    (analysis,) = analyses_of(found_in(tmp_path), "word")
    regressions, improvements = analysis.counts["regression"], analysis.counts["improvement"]
    assert (regressions.total, improvements.total, analysis.counts["no_change"].total) == (4, 2, 1)
    assert numbers(regressions, "old", "strict") == (3, 2)
    assert numbers(regressions, "old_mention", "strict_mention") == (3, 2)
    assert numbers(improvements, "strict", "strict_mention") == (2, 1)
    assert analysis.counts["no_change"].strict_mention.count == 1
    # 2 of 4 against 1 of 2: the same odds.
    ratio = analysis.same.to_improvements
    assert ratio is not None
    assert ratio.value == pytest.approx(1.0)
    # Only the fifth change is more than the noise of four rollouts; what is unpaired is not taken for paired.
    assert (improvements.beyond_noise.count, improvements.beyond_noise.known) == (1, 2)
    (by_phrase,) = analyses_of(found_in(tmp_path), "phrase")
    assert by_phrase.counts["regression"].strict_mention.count == 1


def test_the_search_reply_is_no_mention(tmp_path: Path) -> None:
    write_revisions(tmp_path / "cartpole_three_traj", 1, [Tried([1, 5, 9], [1, 1, 1], reply="fine")])
    (analysis,) = analyses_of(found_in(tmp_path), "word")
    assert analysis.counts["regression"].strict_mention.count == 0


def test_returns_that_are_not_on_record(tmp_path: Path) -> None:
    write_revisions(tmp_path / "swimmer_three_traj", 1, ITERATIONS[:2], with_rollouts=False)
    write_revisions(tmp_path / "swimmer_reflective", 1, ITERATIONS[:2], with_rollouts=False)
    by_method = {each.method: each for each in analyses_of(found_in(tmp_path), "word")}
    # ThreeTraj's prompts name the three returns, so proxies are known; noise is not.
    assert by_method["three_traj"].counts["regression"].strict.count == 1
    assert by_method["three_traj"].counts["regression"].beyond_noise.known == 0
    assert by_method["reptraj"].counts["regression"].without_returns == 2
    assert by_method["reptraj"].same.shares["regression"].value is None
    assert main(["paper_salience_analysis", "--logs-root", str(tmp_path), "--output-dir", str(tmp_path / "out")]) == 0
    assert "not on record" in (tmp_path / "out" / "salience.md").read_text()
    assert "cannot be computed" in (tmp_path / "out" / "salience_controls.md").read_text()
    # With nothing to draw there is no figure.
    assert not (tmp_path / "out" / "salience.png").exists()


def test_intervals_are_over_runs(tmp_path: Path) -> None:
    # Five regressions with the sign in one run, five without in another: two observations, not ten.
    sign, none = ITERATIONS[0], ITERATIONS[3]
    write_revisions(tmp_path / "cartpole_three_traj", 1, [sign] * 5)
    write_revisions(tmp_path / "cartpole_three_traj", 2, [none] * 5)
    (analysis,) = analyses_of(found_in(tmp_path), "word")
    share = analysis.same.shares["regression"]
    assert share.by_run == ((5, 5), (0, 5))
    assert (analysis.runs, share.value) == (2, 0.5)
    low, high = share.interval or (0.5, 0.5)
    # Of ten independent iterations the interval would be from 0.2 to 0.8.
    assert low < 0.15
    assert high > 0.85


def test_runs_that_differ_have_wide_intervals_that_are_readable(tmp_path: Path) -> None:
    # With the sign and without, of regressions and of improvements.
    down, down_without, up, up_without = (ITERATIONS[index] for index in (0, 3, 4, 5))
    write_revisions(tmp_path / "cartpole_three_traj", 1, [down] * 9 + [down_without] + [up] + [up_without] * 9)
    write_revisions(tmp_path / "cartpole_three_traj", 2, [down] + [down_without] * 9 + [up] * 9 + [up_without])
    (analysis,) = analyses_of(found_in(tmp_path), "word", as_published=True)
    ratio = analysis.same.to_improvements
    assert ratio is not None
    assert ratio.clustered
    assert ratio.high > 1e6
    figure = salience_figure([analysis], "title", "caption")
    assert figure.axes[1].get_xlim() == pytest.approx((1 / WIDEST, WIDEST))
    assert {each.get_marker() for each in figure.axes[1].lines} >= {"<", ">"}
    table = same_table([analysis], "word", [])
    assert all(len(line) < 30 for cell in table.cells[0] for line in (cell.text, *cell.below))


def test_iterations_that_cannot_be_read_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_revisions(tmp_path / "logs" / "cartpole_three_traj", 1, ITERATIONS)
    run = write_run(tmp_path / "logs" / "own", 1, [1.0, 2.0], config={"method": "r2po"})
    write_lines(run, [{**iteration(number, 1.0), "candidates": [{}, {}]} for number in (1, 2)])
    assert main(["paper_salience_analysis", "--logs-root", str(tmp_path / "logs"), "--output-dir", str(tmp_path)]) == 0
    assert "own: run_1: left out 2 of 2 iterations" in (error := capsys.readouterr().err)
    assert "iterations.jsonl, line 1: candidates.0.stage is missing" in error


def test_several_environments_are_pooled_too(tmp_path: Path) -> None:
    write_revisions(tmp_path / "cartpole_three_traj", 1, ITERATIONS)
    write_revisions(tmp_path / "pong_three_traj", 1, ITERATIONS)
    *_, together = analyses_of(found_in(tmp_path), "word")
    assert together.is_together
    assert (together.iterations, together.runs) == (14, 2)


def test_half_written_iterations_are_named(tmp_path: Path) -> None:
    run = write_revisions(tmp_path / "cartpole_three_traj", 1, ITERATIONS)
    (run / "episode_2" / "reflection_outcome.txt").unlink()
    (found,) = found_in(tmp_path)
    assert len(found.revisions) == len(ITERATIONS) - 1
    assert "left out 1 of 7 iterations" in found.problems[0]


def test_command_writes_all_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_revisions(tmp_path / "logs" / "cartpole_three_traj", 1, ITERATIONS)
    write_revisions(tmp_path / "logs" / "cartpole_reflective", 1, ITERATIONS)
    out = tmp_path / "out"
    arguments = ["--logs-root", str(tmp_path / "logs"), "--output-dir", str(out), "--reference", "published"]
    formats = ["--formats", "md", "csv", "latex", "json", "png", "svg", "--as-published"]
    assert main(["paper_salience_analysis", *arguments, *formats]) == 0
    files = {Path(line).name for line in capsys.readouterr().out.split()}
    assert files == {path.name for path in out.iterdir()}
    assert {
        "episodes.csv",
        "salience.md",
        "salience.tex",
        "salience.json",
        "salience.svg",
        "edit_patterns.png",
    } <= files
    with (out / "episodes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(ITERATIONS)
    assert (rows[0]["direction"], rows[0]["mentions_word"], rows[0]["changed_indices"]) == ("regression", "1", "0")
    assert "233" in (out / "salience.md").read_text()


def patterns(logs: Path, *options: str) -> list[str]:
    """Return the pattern of each iteration as the command finds it with these options."""
    out = logs.parent / "patterns"
    arguments = ["--logs-root", str(logs), "--output-dir", str(out), "--formats", "json", *options]
    assert main(["paper_salience_analysis", *arguments]) == 0
    with (out / "episodes.csv").open() as file:
        return [row["category"] for row in csv.DictReader(file)]


EDITS = (
    # Reward falls from 300 with one edit; from 10 with eight; rises from 300 with one; from 100 with four.
    Tried([300, 300], [290, 290], edit=(1.0,)),
    Tried([10, 10], [5, 5], edit=(1.0,) * 8),
    Tried([300, 300], [310, 310], edit=(0.2,)),
    Tried([100, 100], [110, 110], edit=(1.0,) * 4),
)
FOUND = ["small_fix_backfires", "uninformed_redesign", "pinpoint_fix", "multi_state_fix"]


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ([], {}),
        (["--partial-threshold", "305"], {0: "other", 2: "other"}),
        (["--high-threshold", "299"], {0: "near_optimal_broken", 2: "fine_tuning"}),
        (["--near-zero-threshold", "9"], {1: "other"}),
        (["--near-zero-threshold", "100"], {3: "other"}),
        (["--meaningful-delta", "10"], {0: "other", 2: "other", 3: "other"}),
        (["--surgical-max-edit", "0"], {0: "other", 2: "other"}),
        (["--redesign-min-edit", "9"], {1: "other"}),
        (["--multi-state-min-edit", "5"], {3: "other"}),
        (["--epsilon", "1"], dict.fromkeys((0, 1), "pure_stochasticity") | dict.fromkeys((2, 3), "luck")),
        (["--epsilon", "1", "--distance-mode", "discrete"], {}),
        (
            ["--epsilon", "1", "--distance-mode", "continuous"],
            dict.fromkeys((0, 1), "pure_stochasticity") | dict.fromkeys((2, 3), "luck"),
        ),
    ],
)
def test_options_of_edit_patterns(options: list[str], changed: dict[int, str], tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    write_revisions(logs / "cartpole_reflective", 1, EDITS)
    expected = [changed.get(index, pattern) for index, pattern in enumerate(FOUND)]
    assert patterns(logs, *options) == expected


def test_the_options_of_edit_patterns_are_on_record(tmp_path: Path) -> None:
    write_revisions(tmp_path / "logs" / "nim_reflective", 1, EDITS)
    out = tmp_path / "out"
    options = [
        "--as-published",
        "--distance-mode",
        "continuous",
        "--epsilon",
        "0.5",
        "--high-threshold",
        "0.9",
        "--surgical-max-edit",
        "2",
    ]
    arguments = ["--logs-root", str(tmp_path / "logs"), "--output-dir", str(out), "--formats", "json", "md"]
    assert main(["paper_salience_analysis", *arguments, *options]) == 0
    record = json.loads((out / "salience.json").read_text())
    assert (record["distance_mode"], record["epsilon"]) == ("continuous", 0.5)
    thresholds = record["analyses"][0]["edit_patterns"]["thresholds"]
    assert (thresholds["high"], thresholds["surgical"], thresholds["partial"]) == (0.9, 2, 200)
    text = (out / "edit_patterns.md").read_text()
    assert "A parameter counts as changed beyond 0.5." in text
    assert "but for all environments high 0.9, surgical 2" in text


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--epsilon", "-1", "-1 is not a number from 0"),
        ("--high-threshold", "nan", "'nan' is not a number"),
        ("--surgical-max-edit", "1.5", "'1.5' is not a whole number from 0"),
        ("--distance-mode", "continuos", "invalid choice: 'continuos'"),
    ],
)
def test_impossible_values_are_refused(option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["paper_salience_analysis", option, value])
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_published_names_of_options(tmp_path: Path) -> None:
    """--env chooses environments as --only-env does, and --results-root the folder as --output-dir does."""
    for environment in ("cartpole", "pong", "nim"):
        write_revisions(tmp_path / "logs" / f"{environment}_three_traj", 1, EDITS)
    results = tmp_path / "results"
    arguments = ["--logs-root", str(tmp_path / "logs"), "--formats", "json", "--results-root", str(results)]
    assert main(["paper_salience_analysis", *arguments, "--env", "cartpole", "--env", "Nim"]) == 0
    with (results / "episodes.csv").open() as file:
        assert {row["environment"] for row in csv.DictReader(file)} == {"cartpole", "nim"}


def test_a_mention_is_a_word_or_a_phrase(tmp_path: Path) -> None:
    write_revisions(tmp_path / "logs" / "cartpole_three_traj", 1, ITERATIONS)
    for mode, mentions in (("word", 2), ("phrase", 1)):
        out = tmp_path / mode
        arguments = ["--logs-root", str(tmp_path / "logs"), "--output-dir", str(out), "--formats", "json"]
        assert main(["paper_salience_analysis", *arguments, "--mention-mode", mode]) == 0
        (record,) = json.loads((out / "salience.json").read_text())["analyses"]
        assert record["regression"]["strict_mention"] == mentions


@pytest.mark.parametrize(("rollouts", "least", "most"), [(3, 8.0, 12.0), (20, 2.5, 4.0)])
def test_the_note_on_noise_is_about_the_rollouts_that_there_are(
    rollouts: int, least: float, most: float, tmp_path: Path
) -> None:
    pairs = [(np.arange(rollouts), np.arange(rollouts) + 1.0), (np.arange(rollouts), np.arange(rollouts) - 1.0)]
    write_pairs(tmp_path / "logs" / "frozenlake", 1, pairs)
    arguments = ["--logs-root", str(tmp_path / "logs"), "--output-dir", str(tmp_path), "--formats", "md"]
    assert main(["paper_salience_analysis", *arguments]) == 0
    (note,) = re.findall(r"([0-9.]+) % with (\d+) rollouts", (tmp_path / "salience_noise.md").read_text())
    assert int(note[1]) == rollouts
    assert least < float(note[0]) < most


def test_nothing_to_analyse_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper_salience_analysis", "--logs-root", str(tmp_path)]) == 2
    assert "nothing to analyse" in capsys.readouterr().err


def test_our_own_logs_are_paired_under_the_controlled_protocol(tmp_path: Path) -> None:
    configs = Path(__file__).parents[3] / "configs" / "cartpole"
    for protocol, config in (("controlled", "cartpole_three_traj.yaml"), ("published", "cartpole_pure_search.yaml")):
        changes = {"llm_model_name": "embedded/search", "logdir": tmp_path / protocol, "protocol": protocol}
        changes |= {"num_iterations": 3, "num_evaluation_episodes": 4, "heldout_episodes": 0}
        options = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
        assert main(["run", "--config", str(configs / config), *options]) == 0
    by_method = {each.experiment.method: each.revisions for each in found_in(tmp_path)}
    three = by_method["three_traj"]
    assert len(three) == 3
    assert all(each.paired and each.shown and each.edit for each in three)
    # There is a critic and its reply is on record, whatever it says.
    assert all(each.says_worst is not None for each in three)
    assert [(each.paired, each.says_worst) for each in by_method["pure_search"]] == [(False, None)] * 3
    assert not analyses_of([each for each in found_in(tmp_path) if each.experiment.method == "pure_search"], "word")[
        0
    ].has_critic


@pytest.mark.parametrize("mode", ["word", "phrase"])
def test_counts_equal_the_published_ones(mode: str) -> None:
    root = published_archive()
    expected = json.loads((root / f"expected/salience/salience_{mode}/salience_regression_rerun.json").read_text())
    found = found_in(root / "salience_logs", as_published=True)
    analyses = analyses_of(found, mode, as_published=True)
    own = {each.environment: each.counts["regression"] for each in analyses if each.method == "three_traj"}
    keys = {
        "regressions": "total",
        "old_reward_proxy_count": "old",
        "strict_reward_proxy_count": "strict",
        "old_with_worst_reference_count": "old_mention",
        "strict_with_worst_reference_count": "strict_mention",
    }

    def number(counts: Counts, name: str) -> int:
        return counts.total if name == "total" else numbers(counts, name)[0]

    for environment, counts in expected["per_env"].items():
        assert {key: number(own[environment], ours) for key, ours in keys.items()} == {k: counts[k] for k in keys}
    assert own["all environments"].strict_mention.count == expected["strict_with_worst_reference"]["count"]
    assert own["all environments"].old.count == expected["old_reward_proxy"]["count"]


@pytest.mark.parametrize("environment", ["cartpole", "pong"])
def test_reward_groups_equal_the_published_ones(environment: str) -> None:
    folder = published_archive() / "expected" / "salience" / environment
    found = [
        each
        for each in found_in(published_archive() / "salience_logs")
        if (each.experiment.environment, each.experiment.method) == (environment, "three_traj")
    ]
    with (folder / "episodes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found[0].revisions)
    for row, each in zip(rows, found[0].revisions, strict=True):
        assert (row["run"], int(row["episode"]), row["reward_group"]) == (
            each.run,
            each.iteration - 1,
            each.shown and each.shown.group,
        )
        assert each.shown is not None
        ours = (each.shown.worst, each.shown.median, each.shown.best, each.initial, each.revised, each.delta)
        names = ("worst_reward", "median_reward", "best_reward", "initial_reward", "revised_reward", "delta")
        assert ours == pytest.approx([float(row[name]) for name in names], abs=1e-9)
    (record,) = to_records(analyses_of(found, "word"), found)
    own = {each["reward_group"]: each for each in record["reward_groups"]}
    for each in json.loads((folder / "summary.json").read_text()):
        assert own[each["reward_group"]] == pytest.approx(each, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "method"), [("cartpole_three_traj", 0), ("pong_three_traj", 0), ("cartpole_reflective", 1)]
)
def test_edit_patterns_equal_the_published_ones(name: str, method: int) -> None:
    root = published_archive()
    expected: dict[str, Any] = json.loads((root / f"expected/salience/edit_{name}/summary.json").read_text())
    logs = found_in(root / "salience_logs", as_published=True)
    (found,) = (each for each in logs if each.experiment.path.name == name)
    record = to_records(analyses_of([found], "word", as_published=True), [found])[0]["edit_patterns"]
    for key in ("regression", "improvement"):
        theirs = {CATEGORY_NAMES.get(k, k): count for k, count in expected[f"{key}_category_counts"].items()}
        assert record[key]["categories"] == theirs
        assert record[key]["count"] == expected["direction_counts"][key]
        for figure in ("mean_delta", "mean_edit_distance", "mean_l2_distance"):
            assert record[key][figure] == pytest.approx(expected[f"{key}_stats"][figure], abs=1e-9)
    with (root / f"expected/salience/edit_{name}/episodes.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, each in zip(rows, found.revisions, strict=True):
        assert each.edit is not None
        assert ",".join(map(str, each.edit.changed)) == row["changed_indices"]
        assert f"{each.edit.l2:.6f}" == row["l2_distance"]
        assert f"{each.edit.largest:.6f}" == row["abs_max_change"]
        assert CATEGORY_NAMES.get(row["category"], row["category"]) == each.category


def test_what_differs_from_the_published_patterns_is_luck() -> None:
    logs = published_archive() / "salience_logs"
    for ours, theirs in zip(found_in(logs), found_in(logs, as_published=True), strict=True):
        for one, other in zip(ours.revisions, theirs.revisions, strict=True):
            assert one.category == ("luck" if one.edit and not one.edit.count and one.delta > 0 else other.category)
