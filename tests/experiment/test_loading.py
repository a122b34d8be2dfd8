"""The best policy of a run, used outside of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import gymnasium
import numpy as np
import pytest

import r2po
from r2po.cli import main
from r2po.errors import InputError
from r2po.experiment.launch import launch
from r2po.experiment.loading import best_of, load_policy
from r2po.experiment.observer import Observer
from r2po.isolation.outcomes import PolicyFailed
from r2po.runlog import RunDirectory
from r2po.runlog.records import IterationRecord
from r2po.seeding import derive_seed
from tests.builders import make_config
from tests.codes import GOOD, Coder, make_code_config, run_code


def play(run: Path, seed: int, steps: int) -> float:
    """Return what the policy earns in an episode."""
    environment, total = gymnasium.make("CartPole-v1"), 0.0
    with r2po.load_policy(run) as policy:
        observation, _ = environment.reset(seed=seed)
        policy.reset(seed)
        for _ in range(steps):
            observation, reward, terminated, _, _ = environment.step(policy.act(observation))
            total += float(reward)
            if terminated:
                break
    environment.close()
    return total


@pytest.fixture
def code_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    run_code(make_code_config("props", tmp_path, num_iterations=2), Coder(GOOD), monkeypatch)
    return tmp_path / "run_1"


@pytest.fixture
def linear_run(tmp_path: Path) -> Path:
    small = {"num_iterations": 3, "num_evaluation_episodes": 2, "heldout_episodes": 1, "rollout_engine": "reference"}
    launch(make_config("cartpole", "r2po", logdir=str(tmp_path / "linear"), seed=1, **small), None, {}, Observer())
    return tmp_path / "linear/run_1"


def test_a_loaded_policy_earns_what_it_earned_in_the_run(code_run: Path, linear_run: Path) -> None:
    for run, steps in ((code_run, 30), (linear_run, 500)):
        result = RunDirectory(run).read_result()
        record = RunDirectory(run).read_iterations()[(result["best_iteration"] or 0) - 1]
        assert record["accepted"] is not None
        seed = derive_seed(1, "iteration", record["iteration"], "candidate", record["accepted"], "rollout", 1)
        assert play(run, seed, steps) == record["candidates"][record["accepted"]]["returns"][1]


def test_it_says_what_it_is(code_run: Path) -> None:
    result = RunDirectory(code_run).read_result()
    with load_policy(code_run) as policy:
        assert (policy.source, policy.params) == (result["best_source"], None)
        assert (policy.iteration, policy.reward) == (result["best_iteration"], result["best_reward"])
        assert policy.act([0, 0, 1, 0]) == 1  # the first episode begins by itself


def test_a_policy_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = "class Policy:\n    def act(self, obs):\n        return [0][int(obs[0] > 1)] + 0 * int({gain})"
    run_code(make_code_config("props", tmp_path, num_iterations=1), Coder(fails), monkeypatch)
    with load_policy(tmp_path / "run_1") as policy:
        assert policy.act([0, 0, 0, 0]) == 0
        with pytest.raises(PolicyFailed, match="IndexError"):
            policy.act([2, 0, 0, 0])


def test_code_is_exported_with_a_heading(code_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = code_run.parent / "new/policy.py"
    assert main(["export", str(code_run), "--output", str(output)]) == 0
    assert f"written to {output}" in capsys.readouterr().out
    assert output.read_bytes() == (code_run / "best_policy.py").read_bytes()
    assert main(["export", str(code_run), "--output", str(output.with_suffix(".json"))]) == 2
    assert "expected a file name that ends in .py" in capsys.readouterr().err
    assert not output.with_suffix(".json").exists()


def test_numbers_are_exported_as_json(linear_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = linear_run.parent / "policy.json"
    assert main(["export", str(linear_run), "--output", str(output)]) == 0
    said, result = json.loads(output.read_text(encoding="utf-8")), RunDirectory(linear_run).read_result()
    assert (said["params"], said["reward"]) == (result["best_params"], result["best_reward"])
    assert (said["environment"], said["policy"]) == ("CartPole-v1", "linear")


def test_there_must_be_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run directory"):
        load_policy(tmp_path)


def test_the_best_goes_by_success_if_the_method_does() -> None:
    def record(iteration: int, reward: float | None, success: float) -> IterationRecord:
        counts = {"accepted": 0, "candidates": [], "episodes": 0, "steps": 0, "llm_calls": 0, "times": {"llm_s": 0.0}}
        return cast("IterationRecord", {"iteration": iteration, "reward": reward, "success": success, **counts})

    records = [record(1, None, 1.0), record(2, 9.0, 0.0), record(3, 1.0, 0.5), record(4, 2.0, 0.5)]
    assert best_of(records) is records[1]
    assert best_of(records, by_success=True) is records[3]
    assert best_of(records[:1]) is None


COUNTER = (
    "class Policy:\n    n = 0 * {gain}\n    def act(self, obs):\n        self.n += 1\n        return self.n // 3 % 2"
)


def test_a_batch_is_of_episodes_that_advance_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy pushes right from its third step on: each row has a memory of its own."""
    run_code(make_code_config("props", tmp_path, num_iterations=1), Coder(COUNTER), monkeypatch)
    rows = np.zeros((2, 4), np.float32)
    with load_policy(tmp_path / "run_1") as policy:
        assert [policy.act_batch(rows).tolist() for _ in range(3)] == [[0, 0], [0, 0], [1, 1]]
        assert policy.act_batch(rows[:1]).tolist() == [0]  # another number of episodes: they begin
        assert [policy(rows[0]) for _ in range(2)] == [0, 1]
        policy.reset(episodes=2)
        assert policy.act_batch(rows).tolist() == [0, 0]
        with pytest.raises(InputError, match="episodes is 0"):
            policy.reset(episodes=0)


def test_observations_of_another_shape_are_refused(linear_run: Path) -> None:
    with load_policy(linear_run) as policy:
        assert policy.act_batch(np.zeros((5, 4))).shape == (5,)
        for rows in (np.zeros((5, 3)), np.zeros(4), np.zeros((0, 4))):
            with pytest.raises(InputError, match="expected 4 numbers"):
                policy.act_batch(rows)


def test_states_are_whole_numbers_that_there_are(tmp_path: Path) -> None:
    small = {"num_iterations": 1, "num_evaluation_episodes": 1, "heldout_episodes": 0, "rollout_engine": "reference"}
    config = make_config("frozenlake", "random_search", logdir=str(tmp_path), warmup_episodes=1, **small)
    launch(config, None, {}, Observer())
    with load_policy(tmp_path / "run_1") as policy:
        assert policy.params is not None
        assert policy.act_batch(range(16)).tolist() == policy.params
        assert policy(np.int64(3)) == policy.params[3]
        for state in (16, -1, 0.5, [0]):
            with pytest.raises(InputError, match="expected the number of a state, from 0 to 15"):
                policy(state)
