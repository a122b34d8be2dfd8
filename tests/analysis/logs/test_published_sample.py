"""The sample logs of the published code, and what its own analysis makes of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from r2po.analysis.evaluation.summary import summarise_runs
from r2po.analysis.logs.experiments import ExperimentLogs, find_experiments
from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.output.tables import to_csv
from r2po.analysis.paper.results_tables import build_tables
from r2po.analysis.paper.validation import Validation
from tests.analysis.published_archive import published_archive

NOT_OURS = {"label", "logdir"}
WRONG = {"total_api_time_s", "mean_api_time_per_iter_s"}
"""Sums over cumulative times."""


@pytest.fixture(scope="module")
def sample() -> Path:
    return published_archive()


@pytest.fixture(scope="module")
def experiments(sample: Path) -> list[ExperimentLogs]:
    return find_experiments(sample / "logs")


def assert_equal(expected: dict[str, Any], ours: dict[str, Any]) -> int:
    """Compare all figures; returns how many there were."""
    count = 0
    for key in expected.keys() - NOT_OURS - WRONG:
        if key == "per_run_summaries":
            count += sum(assert_equal(*pair) for pair in zip(expected[key], ours[key], strict=True))
        elif isinstance(expected[key], float):
            assert ours[key] == pytest.approx(expected[key], rel=1e-9, abs=1e-9), key
            count += 1
        else:
            assert ours[key] == expected[key], key
            count += 1
    return count


def test_summaries(sample: Path) -> None:
    files = sorted((sample / "expected" / "summaries").glob("*.json"))
    assert len(files) == 90
    for file in files:
        ours = summarise_runs(load_log_directory(sample / "logs" / file.stem), file.stem)
        assert assert_equal(json.loads(file.read_text()), ours) == 34


def test_total_api_time_is_the_last_cumulative_value(sample: Path) -> None:
    for folder in sorted((sample / "logs").iterdir()):
        for run in summarise_runs(load_log_directory(folder), "")["per_run_summaries"]:
            last = (folder / run["run"] / "overall_log.txt").read_text().splitlines()[-1].split(",")
            assert run["total_api_time_s"] == pytest.approx(float(last[2]), rel=1e-12)
            assert run["mean_api_time_per_iter_s"] == pytest.approx(float(last[2]) / int(last[0]), rel=1e-12)


def test_all_experiments_are_found(experiments: list[ExperimentLogs]) -> None:
    assert len(experiments) == 90
    assert len({(each.environment, each.method) for each in experiments}) == 90
    assert {len(each.runs) for each in experiments} == {3}
    assert not any(each.problems or each.notes or each.variant for each in experiments)


def test_every_iteration_tells_all_candidates(experiments: list[ExperimentLogs]) -> None:
    for each in experiments:
        for run in each.runs:
            for reward, iteration in zip(run.rewards, run.iterations, strict=True):
                assert iteration.problem == ""
                assert iteration.candidates[iteration.accepted].reward == pytest.approx(reward, abs=5.1e-5)
                for candidate in iteration.candidates:
                    assert candidate.params is not None
                    if candidate.returns is not None:
                        assert candidate.returns.mean() == pytest.approx(candidate.reward, abs=5.1e-5)


@pytest.mark.parametrize("preset", ["core", "variants"])
@pytest.mark.parametrize("name", ["mean_reward", "mean_best_reward", "mean_final_reward"])
def test_tables(preset: str, name: str, sample: Path, experiments: list[ExperimentLogs]) -> None:
    expected = (sample / "expected" / preset / f"{preset}_{name}.csv").read_text(encoding="utf-8")
    expected = expected.replace("mountaincarcon,", "mountaincarcontinuous,")
    validation = Validation()
    table = build_tables(preset, experiments, validation, as_published=True)[name]
    assert list(csv.reader(to_csv(table).splitlines())) == list(csv.reader(expected.splitlines()))
    assert not any("biased" in line for line in [*table.notes, *validation.lines])
    ours = build_tables(preset, experiments, Validation())[name]
    assert ours.rows == table.rows, "logged values too: these runs have not been re-evaluated"
    biased = [note for note in ours.notes if "biased upwards; `r2po reevaluate` helps" in note]
    assert len(biased) == (name != "mean_best_reward")
