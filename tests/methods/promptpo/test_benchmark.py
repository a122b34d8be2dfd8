"""The benchmark of tuned constants: equal episodes, plain policies that work, and a table of what was run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import tuned_constants
from benchmarks.gaits import GAITS
from benchmarks.tuned_constants import configs, run_with_gaits, table
from r2po.analysis.logs.experiments import find_experiments
from r2po.isolation.constants import declared
from r2po.llm.registry import PROVIDERS


def test_both_methods_have_the_same_episodes() -> None:
    for config in configs(Path("logs")):
        assert config.candidates
        assert config.num_iterations == 1
        tuning = (config.tune_evaluations or 0) * (config.tune_episodes or 0)
        tuned = config.num_evaluation_episodes if tuning else 0
        assert config.candidates * config.num_evaluation_episodes + tuning + tuned == 180


@pytest.mark.parametrize("gym_id", GAITS)
def test_the_policies_declare_constants(gym_id: str) -> None:
    for source in GAITS[gym_id]:
        assert 3 <= len(declared(source)) <= 6


@pytest.mark.slow
def test_the_command_prints_a_table_and_runs_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(PROVIDERS, "_items", dict(PROVIDERS))
    monkeypatch.setattr(tuned_constants, "HELDOUT", 2)
    small = {"max_traj_length": 10, "tune_evaluations": 3, "num_evaluation_episodes": 2}
    first, second = [each for each in configs(tmp_path) if "Inverted" in each.gym_env_name]
    for config in (first, second):
        known = {key: value for key, value in small.items() if getattr(config, key) is not None}
        assert "best" in run_with_gaits(config.model_copy(update=known), 1)
        assert "was complete" in run_with_gaits(config.model_copy(update=known), 1)
    text = table(find_experiments(tmp_path))
    assert [line.split(" | ")[1:4] for line in text.splitlines()[2:]] == [
        ["PromptPO", "1", "6"],
        ["PromptPO tuned", "1", "14"],
    ]
    tuned_constants.main(["--runs", "0", "--logs-root", str(tmp_path), "--jobs", "1"])
    assert capsys.readouterr().out.strip() == text
