"""Which rewards comparisons are made of; and that those of equal methods are equal, whatever a method keeps."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.analysis.evaluation import report
from r2po.analysis.evaluation.frames import load_runs
from r2po.analysis.evaluation.summary import summarise_runs
from r2po.analysis.logs.built_in import method_facts, needs_reevaluation
from r2po.analysis.logs.experiments import ExperimentLogs, find_experiments
from r2po.analysis.logs.fresh import basis_of, incumbent_basis, reevaluate_command, runs_of, settled
from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.output.tables import to_csv
from r2po.analysis.paper.results_tables import build_tables
from r2po.analysis.paper.validation import Validation
from r2po.analysis.significance.report import significance_rows
from r2po.cli import main
from r2po.runlog.facts import MethodFacts
from r2po.runlog.jsonl import Appender
from tests.analysis.made_logs import write_run

K = 20
RUNS = 10
SUCCESS = 0.5


def write_fresh(run: Path, rewards: list[float], episodes: int = 2) -> None:
    """Write fresh episodes whose means are these."""
    with closing(Appender(run / "reevaluation.jsonl", sealed=True)) as log:
        for iteration, reward in enumerate(rewards, 1):
            log.append({"iteration": iteration, "first": 0, "solution": "", "returns": [reward] * episodes})


def write_r2po(logdir: Path, number: int, rewards: list[float], fresh: list[float] | None) -> Path:
    run = write_run(logdir, number, rewards, config={"method": "r2po"})
    if fresh is not None:
        write_fresh(run, fresh)
    return run


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """R2PO with logged means 5 and 7 and fresh ones 3 and 4, and ProPS with logged means 4 and 4."""
    write_r2po(tmp_path / "r2po", 1, [4.0, 6.0], [2.0, 4.0])
    write_r2po(tmp_path / "r2po", 2, [6.0, 8.0], [3.0, 5.0])
    for number in (1, 2):
        write_run(tmp_path / "props", number, [3.0, 5.0])
    return tmp_path


def cells(logs: Path, name: str = "mean_reward", **options: Any) -> tuple[str, str, list[str]]:
    """Return the cells of ProPS and R2PO on CartPole, and all notes."""
    validation = Validation()
    table = build_tables("core", find_experiments(logs), validation, **options)[name]
    heading, *rows = csv.reader(to_csv(table).splitlines())
    by_column = dict(zip(heading, next(row for row in rows if row[0] == "cartpole"), strict=True))
    return by_column["ProPS"], by_column["R2PO"], [*table.notes, *validation.lines]


def test_tables_show_fresh_rewards_where_the_method_chooses(logs: Path) -> None:
    props, r2po, notes = cells(logs)
    assert (props, r2po) == ("4.00 ± 0.00", "3.50 ± 0.71")
    assert any("R2PO (mean, final, curves): each accepted candidate on fresh episodes" in note for note in notes)
    assert cells(logs, "mean_final_reward")[1] == "4.50 ± 0.71"
    assert cells(logs, "mean_best_reward")[1] == "7.00 ± 1.41", "the best logged one"


def test_a_table_never_mixes(logs: Path) -> None:
    (logs / "r2po/run_2/reevaluation.jsonl").unlink()
    _, r2po, notes = cells(logs)
    assert r2po == "6.00 ± 1.41", "logged values of both"
    marks = [note for note in notes if "logged ones: the best of several noisy means, biased upwards" in note]
    assert len(marks) == 2, "in the table, and on standard error"
    assert marks[0].endswith("; `r2po reevaluate` helps."), "tables travel: no folder of this machine"
    assert f"run `r2po reevaluate {logs / 'r2po'}`" in marks[1]
    assert "1 of 2 runs lack a re-evaluation" in marks[1]
    assert not any("biased" in note for note in cells(logs, "heldout")[2][:-1])


def test_the_published_analysis_takes_logged_rewards_without_a_word(logs: Path) -> None:
    _, r2po, notes = cells(logs, as_published=True)
    assert r2po == "6.00 ± 1.41"
    assert not any("biased" in note or "fresh episodes" in note for note in notes)


def test_beside_published_figures_stand_logged_rewards(logs: Path) -> None:
    _, r2po, notes = cells(logs, reference="published")
    assert r2po.startswith("6.00 ± 1.41")
    assert any(note.startswith("As in the published figures, rewards of R2PO") for note in notes)


def test_methods_that_do_not_choose_are_never_called_biased(logs: Path) -> None:
    shutil.rmtree(logs / "r2po")
    basis = basis_of(runs_of(find_experiments(logs)))
    assert (basis.fresh, basis.note, basis.warning) == (False, "", "")


CHOOSING = {"r2po", "reptraj", "three_traj", "pure_search", "actor_second_pass", "promptpo", "promptpo_tuned"}


def outside(**changes: Any) -> MethodFacts:
    facts: dict[str, Any] = {**method_facts("props"), "name": "mine", **changes}
    del facts["chooses_by_mean"]
    return facts  # type: ignore[return-value]


def test_older_logs_are_known_by_name_and_pair() -> None:
    from r2po.analysis.logs.built_in import BUILT_IN

    without = {name: {key: facts[key] for key in facts if key != "chooses_by_mean"} for name, facts in BUILT_IN.items()}  # type: ignore[literal-required]
    assert {name for name, facts in without.items() if needs_reevaluation(facts)} == CHOOSING  # type: ignore[arg-type]
    assert not needs_reevaluation(outside())
    assert needs_reevaluation(outside(pair=method_facts("r2po")["pair"]))
    assert needs_reevaluation(outside(evaluations_per_iteration=5))
    assert not needs_reevaluation({**outside(evaluations_per_iteration=5), "chooses_by_mean": False})


def test_the_best_so_far_on_fresh_episodes_was_chosen_by_logged_rewards(tmp_path: Path) -> None:
    write_r2po(tmp_path, 1, [1.0, 3.0, 3.0, 2.0, 5.0], [9.0, 2.0, 8.0, 7.0, 4.0])
    (run,) = load_log_directory(tmp_path).runs
    np.testing.assert_array_equal(run.best_so_far, [1.0, 3.0, 3.0, 3.0, 5.0])
    np.testing.assert_array_equal(replace(run, fresh=True).best_so_far, [9.0, 2.0, 2.0, 2.0, 4.0])
    assert run.best_iteration == 5


def test_a_part_of_the_iterations_is_not_enough(tmp_path: Path) -> None:
    write_r2po(tmp_path, 1, [1.0, 3.0], [9.0])
    (run,) = load_log_directory(tmp_path).runs
    assert run.reevaluated is None
    assert "holds 1 of 2 accepted candidates; r2po reevaluate rolls out what is missing" in run.notes[0]


def test_summaries_and_frames_have_both(logs: Path) -> None:
    summary = summarise_runs(load_log_directory(logs / "r2po"), "")
    assert [summary[f"{name}_mean"] for name in ("mean_reward", "final_reward")] == [6.0, 7.0]
    fresh = [summary[f"reevaluated_{name}_reward_{what}"] for name in ("mean", "final") for what in ("mean", "std")]
    assert fresh == pytest.approx([3.5, 0.5**0.5, 4.5, 0.5**0.5])
    assert summary["reevaluated_num_runs"] == 2
    runs, iterations, _, _ = load_runs(logs, calls=False)
    assert runs[runs["method"] == "r2po"]["reevaluated_mean_reward"].tolist() == [3.0, 4.0]
    assert runs[runs["method"] == "props"]["reevaluated_mean_reward"].isna().all()
    accepted = iterations[(iterations["method"] == "r2po") & iterations["accepted"]]
    assert accepted["reevaluated_reward"].tolist() == [2.0, 4.0, 3.0, 5.0]


def test_the_command_names_one_folder_for_all(tmp_path: Path) -> None:
    for name in ("a b/c", "a b/d"):
        write_r2po(tmp_path / name, 1, [1.0], None)
    runs = runs_of(find_experiments(tmp_path))
    assert reevaluate_command(runs) == f"r2po reevaluate '{tmp_path / 'a b'}'"
    assert reevaluate_command(runs[:1]) == f"r2po reevaluate '{tmp_path / 'a b/c'}'"


def test_incumbents_need_fresh_rewards_of_all_methods(logs: Path) -> None:
    runs = runs_of(find_experiments(logs))
    basis = incumbent_basis(runs)
    assert not basis.fresh
    assert basis.note.endswith("which flatters; `r2po reevaluate --all` helps")
    assert "2 of 4 runs lack a re-evaluation" in basis.warning
    assert basis.warning.endswith(f"run `r2po reevaluate --all {logs / 'props'}`")
    assert incumbent_basis(runs, as_published=True).warning == ""
    for run in runs:
        if run.method == "props":
            write_fresh(run.path, [1.0, 2.0])
    basis = incumbent_basis(runs_of(find_experiments(logs)))
    assert (basis.fresh, basis.note, basis.warning) == (True, "its mean return on fresh episodes", "")
    assert not incumbent_basis(runs_of(find_experiments(logs)), as_published=True).fresh


def test_what_cannot_be_re_evaluated_is_named(logs: Path) -> None:
    runs = [replace(run, algorithm="PPO") if run.method == "props" else run for run in runs_of(find_experiments(logs))]
    assert incumbent_basis(runs).warning == "", "nothing would help"
    runs[-1] = replace(runs[-1], reevaluated=None)
    assert incumbent_basis(runs).warning.endswith("and leave out ProPS-PPO, whose policies are not on record")


def test_eval_says_it(logs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(report, "FIGURES", ())
    assert main(["eval", "--logdir", str(logs / "r2po")]) == 0
    assert "fresh mean  fresh final" in capsys.readouterr().out
    assert main(["eval", "--logdir", str(logs / "r2po"), "--as-published"]) == 0
    assert "fresh mean" not in capsys.readouterr().out
    (logs / "r2po/run_1/reevaluation.jsonl").unlink()
    assert main(["eval", "--logdir", str(logs / "r2po")]) == 0
    printed = capsys.readouterr()
    assert "fresh mean" not in printed.out
    assert "biased upwards" in printed.out
    assert "r2po reevaluate" in printed.err


# ---- Two methods that always play the same policy, one of which keeps the better of two noisy means ----


def bernoulli(rng: np.random.Generator, *shape: int) -> Any:
    """Return mean returns of K episodes that succeed with one half."""
    return rng.binomial(K, SUCCESS, shape) / K


def studies(tmp_path: Path, count: int, iterations: int) -> Iterator[list[ExperimentLogs]]:
    """Yield studies at equal budget: R2PO tries two candidates per iteration, ProPS has twice the iterations."""
    write_r2po(tmp_path / "r2po", 1, [0.5] * iterations, None)
    write_run(tmp_path / "props", 1, [0.5] * (2 * iterations))
    templates = {each.method: each for each in find_experiments(tmp_path)}
    for study in range(count):
        rng = np.random.default_rng([study, 7])
        r2po = [
            {"rewards": bernoulli(rng, iterations, 2).max(axis=1), "reevaluated": bernoulli(rng, iterations)}
            for _ in range(RUNS)
        ]
        props = [{"rewards": bernoulli(rng, 2 * iterations)} for _ in range(RUNS)]
        yield [
            replace(each, runs=tuple(replace(each.runs[0], **values) for values in runs))
            for each, runs in ((templates["props"], props), (templates["r2po"], r2po))
        ]


def p_value(experiments: list[ExperimentLogs], **options: bool) -> float:
    chosen = settled(experiments, basis_of(runs_of(experiments), **options))
    (row,) = [row for row in significance_rows(chosen, "mean_reward", "all") if row.test is not None]
    assert row.test is not None
    return row.test.p


def rejections(tmp_path: Path, count: int, iterations: int) -> tuple[float, float]:
    """Return the shares of studies that Welch's test rejects at 5 %: with logged rewards, and with fresh ones."""
    pairs = [(p_value(each, as_published=True), p_value(each)) for each in studies(tmp_path, count, iterations)]
    logged, fresh = (np.mean(np.array(p) < 0.05) for p in zip(*pairs, strict=True))
    return float(logged), float(fresh)


def test_equal_methods_are_not_told_apart(tmp_path: Path) -> None:
    logged, fresh = rejections(tmp_path, 60, 40)
    assert logged == 1.0
    assert fresh < 0.05 + 3 * (0.05 * 0.95 / 60) ** 0.5


@pytest.mark.slow
def test_the_rate_of_false_rejections_is_that_of_the_level(tmp_path: Path) -> None:
    count = 2000
    logged, fresh = rejections(tmp_path, count, 100)
    assert logged == 1.0
    assert abs(fresh - 0.05) < 3 * (0.05 * 0.95 / count) ** 0.5


def test_the_command_does_not_tell_them_apart_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From run directories to the printed test, as the published analysis makes it and as ours does."""
    rng = np.random.default_rng(1)
    for number in range(1, RUNS + 1):
        better = bernoulli(rng, 30, 2).max(axis=1).tolist()
        write_r2po(tmp_path / "logs/r2po", number, better, bernoulli(rng, 30).tolist())
        write_run(tmp_path / "logs/props", number, bernoulli(rng, 60).tolist())

    def tested(*options: str) -> dict[str, Any]:
        command = ["paper_significance_tests", "--logs-root", str(tmp_path / "logs"), "--comparison-mode", "all"]
        assert main([*command, "--format", "json", *options]) == 0
        (row,) = [each for each in json.loads(capsys.readouterr().out) if each["raw_p"] is not None]
        return dict(row)

    published = tested("--as-published")
    assert published["mean_gap"] == pytest.approx(0.06, abs=0.02)
    assert published["raw_p"] < 1e-5
    assert tested()["raw_p"] > 0.05
    assert "each accepted candidate on fresh episodes" in tested()["notes"][-1]
