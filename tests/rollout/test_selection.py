"""Which engine is used, and what is kept of its episodes."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv

from r2po.errors import InputError, RunStopped
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.experiment.setting import Setting
from r2po.llm.providers.embedded import EmbeddedSearch
from r2po.policies import FunctionPolicy, make_policy
from r2po.rollout import EngineName, GymnasiumEngine, Rollout, Rollouts, SelectedEngine, select_engine
from r2po.runlog import RunDirectory
from r2po.tasks.spaces import read_spaces
from tests.builders import CONFIGS, act, make_config, make_rollout, open_experiment
from tests.unsealed import without_checksums

needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="needs numba")


def select(name: EngineName, gym_id: str) -> SelectedEngine:
    return select_engine(name, gym_id, {}, read_spaces(gym_id, {}), max_steps=50)


def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "numba" else find(name))


@needs_numba
def test_auto_takes_the_kernel_where_there_is_one() -> None:
    assert select("auto", "CartPole-v1").name == select("kernel", "CartPole-v1").name == "kernel"
    assert select("auto", "Acrobot-v1").name == "reference"
    assert select("reference", "CartPole-v1").name == "reference"


def test_without_numba_the_reference_is_taken_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    without_numba(monkeypatch)
    assert select("auto", "CartPole-v1").name == "reference"
    with pytest.raises(InputError, match=r"rollout_engine is 'kernel': numba is not installed .*r2po\[fast\]"):
        select("kernel", "CartPole-v1")


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("PYTHONPATH", "broken", "numba cannot be imported: Numba needs NumPy 2.3 or less"),
        ("NUMBA_DISABLE_JIT", "1", "NUMBA_DISABLE_JIT is set"),
    ],
)
@pytest.mark.sampled(3)
def test_a_numba_that_does_not_work_is_done_without(
    variable: str, value: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken" / "numba").mkdir(parents=True)
    module = tmp_path / "broken" / "numba" / "__init__.py"
    module.write_text("raise ImportError('Numba needs NumPy 2.3 or less')")
    monkeypatch.setenv(variable, str(tmp_path / value) if variable == "PYTHONPATH" else value)
    config = CONFIGS / "nim/nim_random_search.yaml"
    run = [sys.executable, str(CONFIGS.parent / "main.py"), "--config", str(config), "--quiet", "--set"]
    small = [f"logdir={tmp_path}/logs", "num_iterations=1", "num_evaluation_episodes=2", "heldout_episodes=1"]
    assert subprocess.run([*run, *small], check=False, timeout=60).returncode == 0
    assert RunDirectory(tmp_path / "logs/run_1").read_description()["rollout_engine"] == "reference"
    forced = [*run, *small, "rollout_engine=kernel"]
    refused = subprocess.run(forced, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert reason in refused.stderr


def test_an_engine_that_cannot_run_the_environment_is_refused_in_one_line() -> None:
    with pytest.raises(InputError) as refusal:
        select("kernel", "Acrobot-v1")
    assert str(refusal.value) == "rollout_engine is 'kernel': Acrobot-v1 has no kernel; expected 'auto' or 'reference'"


def test_the_refusal_comes_before_the_first_rollout() -> None:
    with pytest.raises(InputError, match="Swimmer-v5 has no kernel"):
        Setting(make_config("swimmer", rollout_engine="kernel"), seed=1)


@needs_numba
def test_a_kernel_that_does_not_give_gymnasiums_numbers_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    step: Any = CartPoleEnv.step

    def other(environment: CartPoleEnv, action: Any) -> Any:
        observation, *rest = step(environment, action)
        return np.nextafter(observation, np.float32(1)), *rest  # in the last bit

    monkeypatch.setattr(CartPoleEnv, "step", other)
    assert select("auto", "CartPole-v1").name == "reference"
    with pytest.raises(InputError, match=r"the kernel of CartPole-v1 does not reproduce Gymnasium .* on this machine"):
        select("kernel", "CartPole-v1")


@needs_numba
def test_policies_without_a_compiled_form_are_rolled_out_by_the_reference() -> None:
    linear = make_policy("linear", read_spaces("CartPole-v1", {})).bind((0.5,) * 10)
    other = FunctionPolicy(lambda observations: act(linear, observations))
    expected = select("reference", "CartPole-v1").evaluate(linear, [1, 2]).returns.tolist()
    assert select("auto", "CartPole-v1").evaluate(other, [1, 2]).returns.tolist() == expected
    with pytest.raises(InputError, match="no compiled form of this policy"):
        select("kernel", "CartPole-v1").roll_out(other, 1)


def test_trajectories_are_made_when_they_are_asked_for_and_once() -> None:
    asked: list[int] = []

    def replay(seed: int) -> Rollout:
        asked.append(seed)
        return make_rollout([1.0], seed=seed)

    rollouts = Rollouts((7, 8, 9), np.ones(3), np.ones(3, np.int64), ("cap", "cap", "cap"), replay)
    assert (rollouts.mean, rollouts.median_index, len(rollouts)) == (1.0, 0, 3)
    assert asked == []
    assert rollouts[1] is rollouts[-2]
    assert [rollout.seed for rollout in rollouts[1:]] == [8, 9]
    assert asked == [8, 9]
    with pytest.raises(IndexError):
        rollouts[3]


@pytest.mark.parametrize("name", ["reference", pytest.param("kernel", marks=needs_numba)])
def test_a_trajectory_made_later_is_that_of_its_episode(name: EngineName) -> None:
    engine = select(name, "FrozenLake-v1")
    policy = make_policy("tabular", read_spaces("FrozenLake-v1", {})).bind((1, 2, 3, 0) * 4)
    rollouts = engine.evaluate(policy, range(30))
    engine.evaluate(policy, range(100, 117))
    assert [rollout.total for rollout in rollouts] == rollouts.returns.tolist()
    assert [rollout.length for rollout in rollouts] == rollouts.lengths.tolist()
    assert tuple(rollout.end for rollout in rollouts) == rollouts.ends
    engine.close()


def test_the_reference_keeps_no_steps() -> None:
    engine = GymnasiumEngine("CartPole-v1", {}, read_spaces("CartPole-v1", {}), max_steps=30)
    rollouts = engine.evaluate(make_policy("linear", read_spaces("CartPole-v1", {})).bind((0.5,) * 10), range(3))
    engine.close()
    assert not rollouts._kept


def files_of(folder: Path) -> dict[str, Any]:
    """What a run wrote, without its durations and times of day."""
    lines = [json.loads(line) for line in (folder / "iterations.jsonl").read_text().splitlines()]
    for line in lines:
        for key in ("times", "sums", "sum"):
            del line[key]
    trajectories = {path.name: path.read_bytes() for path in (folder / "trajectories").iterdir()}
    warmup = without_checksums((folder / "warmup.jsonl").read_text())
    return {"iterations": lines, "warmup": warmup, **trajectories}


@needs_numba
def test_a_run_may_be_resumed_with_another_engine(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"num_iterations": 4, "num_evaluation_episodes": 2, "heldout_episodes": 2}
    through = make_config("nim", logdir=str(tmp_path / "through"), rollout_engine="reference", seed=1, **settings)
    expected = launch(through, None, {}, Observer())
    stops = make_config(
        "nim", logdir=str(tmp_path / "stops"), max_llm_calls=4, rollout_engine="kernel", seed=1, **settings
    )
    with pytest.raises(RunStopped):
        launch(stops, None, {}, Observer())
    goes_on = stops.model_copy(update={"max_llm_calls": None, "rollout_engine": "reference"})
    result = launch(goes_on, "latest", {}, Observer())
    assert result["heldout_reward"] == expected["heldout_reward"]
    assert files_of(tmp_path / "stops/run_1") == files_of(tmp_path / "through/run_1")
    engines = [
        RunDirectory(tmp_path / name / "run_1").read_description()["rollout_engine"] for name in ("stops", "through")
    ]
    assert engines == ["kernel", "reference"]


@needs_numba
@pytest.mark.parametrize("environment", ["cartpole", "mountaincarcontinuous", "frozenlake", "nim"])
@pytest.mark.parametrize("keep", ["shown", "all"])
def test_runs_with_different_engines_write_the_same(environment: str, keep: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "num_iterations": 3,
        "num_evaluation_episodes": 4,
        "heldout_episodes": 3,
        "warmup_episodes": 2,
    }
    runs = {}
    for engine in ("kernel", "reference"):
        config = make_config(environment, keep_trajectories=keep, rollout_engine=engine, **settings)
        with open_experiment(config, EmbeddedSearch(), tmp_path / engine) as experiment:
            result = experiment.run()
            runs[engine] = {**files_of(experiment.directory.path), "heldout": result["heldout_reward"]}
    assert runs["kernel"] == runs["reference"]
