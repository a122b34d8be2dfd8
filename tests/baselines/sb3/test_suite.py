"""Suites from start to end: every algorithm runs, the same twice, and an interrupted suite goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from r2po.analysis.logs.comparable import cohorts
from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.logs.run_data import METRICS
from r2po.baselines.sb3.algorithms import PACKAGES
from r2po.cli import main
from r2po.errors import InputError
from r2po.tasks import PUBLISHED, TASKS
from tests.analysis.made_logs import write_run
from tests.baselines.sb3.suites import SUITES, figures, make_suite, result, write_zoo

for module, name in PACKAGES.items():
    pytest.importorskip(module, reason=f"{name} is not installed: pip install -r requirements.txt")

from r2po.baselines.sb3.environment import one_hot  # noqa: E402 - loads PyTorch
from r2po.baselines.sb3.model import SB3Model  # noqa: E402 - loads PyTorch
from r2po.baselines.sb3.plan import Plan  # noqa: E402
from r2po.baselines.sb3.screen import SuiteScreen  # noqa: E402
from r2po.baselines.sb3.suite import make_plans, run_suite  # noqa: E402

SILENT = SuiteScreen()
SAMPLE = [
    ("cartpole", "PPO"),
    ("nim", "DQN"),
    ("frozenlake", "A2C"),
    ("maze", "TRPO"),
    ("swimmer", "SAC"),
    ("mountaincarcontinuous", "TD3"),
    ("invertedpendulum", "DDPG"),
    ("pong", "TRPO"),
]
FEW = "{learning_starts: 40, train_freq: 4, policy_kwargs: 'dict(net_arch=[16])'}"
OFF_POLICY = f"algorithm_hyperparams={{DQN: {FEW}, TD3: {FEW}, DDPG: {FEW}, SAC: {FEW}}}"
"""Few and small updates."""


def check_run(run: Path) -> None:
    ended = result(run)
    logged = figures(run)
    assert ended["iterations"] == len(logged) >= 1
    assert ended["training_steps"] >= 100
    assert np.isfinite([ended["best_reward"], ended["heldout_reward"]]).all()
    assert all((run / name).stat().st_size for name in ("best_model.zip", "final_model.zip", "summary.json"))


@pytest.mark.parametrize(("environment", "algorithm"), SAMPLE)
@pytest.mark.sampled(2)
def test_a_sample_of_environments_and_algorithms(tmp_path: Path, environment: str, algorithm: str) -> None:
    config = make_suite(environment, tmp_path / "logs", f"algorithms=[{algorithm}]", OFF_POLICY)
    run_suite(config, None, SILENT)
    check_run(tmp_path / "logs" / algorithm.lower() / "run_1")


@pytest.mark.slow
@pytest.mark.parametrize("environment", PUBLISHED)
def test_every_algorithm_on_every_environment_that_it_fits(tmp_path: Path, environment: str) -> None:
    run_suite(make_suite(environment, tmp_path / "logs", OFF_POLICY, "protocol=controlled"), None, SILENT)
    runs = list((tmp_path / "logs").glob("*/run_1"))
    assert len(runs) in (4, 6)
    for run in runs:
        check_run(run)


def test_same_seed_same_numbers_and_an_interrupted_suite_ends_like_any_other(tmp_path: Path) -> None:
    suites = [make_suite("cartpole", tmp_path / name, "algorithms=[A2C, DQN]", "num_trials=2") for name in "ab"]
    run_suite(suites[0], None, SILENT)

    class Stop(SuiteScreen):
        def evaluated(self, plan: Plan, record: dict[str, Any]) -> None:
            if plan.algorithm.name == "A2C" and plan.directory.number == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_suite(suites[1], None, Stop())
    finished = tmp_path / "b/a2c/run_1/result.json"
    before = finished.stat().st_mtime_ns
    assert not (tmp_path / "b/a2c/run_2/result.json").exists()
    assert figures(tmp_path / "b/a2c/run_2")  # its first iteration, which is done again

    run_suite(suites[1], None, SILENT)
    assert finished.stat().st_mtime_ns == before
    for trial in ("a2c/run_1", "a2c/run_2", "dqn/run_1", "dqn/run_2"):
        first, second = (tmp_path / name / trial for name in "ab")
        assert figures(first) == figures(second)
        assert result(first) == result(second)
    assert figures(tmp_path / "a/a2c/run_1") != figures(tmp_path / "a/a2c/run_2")


def test_nothing_is_left_among_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    run_suite(make_suite("nim", tmp_path / "logs", "algorithms=[A2C]"), None, SILENT)
    assert not list((tmp_path / "temporary").iterdir())


def test_a_part_of_a_suite(tmp_path: Path) -> None:
    config = make_suite("nim", tmp_path / "logs", "algorithms=[A2C]", "num_trials=3")
    run_suite(config, [2], SILENT)
    assert [path.name for path in (tmp_path / "logs/a2c").glob("run_*")] == ["run_2"]
    with pytest.raises(InputError, match="there is no trial 4; num_trials is 3"):
        run_suite(config, [4], SILENT)


def test_baselines_stand_beside_methods_of_their_own_protocol(tmp_path: Path) -> None:
    for protocol in ("published", "controlled"):
        for algorithm in ("A2C", "PPO"):
            config = {"method": "sb3", "gym_env_name": "Nim-v0", "algorithm": algorithm}
            about = {"protocol": protocol, "model": "no language model"}
            write_run(tmp_path / f"{protocol}/nim_sb3" / algorithm, 1, [1.0], config=config, description=about)
    write_run(tmp_path / "props", 1, [1.0], config={"gym_env_name": "Nim-v0"}, description={"protocol": "controlled"})
    parts = cohorts(find_experiments(tmp_path))
    seen = [(cohort and cohort.protocol, [(each.label, each.protocol) for each in part]) for cohort, part in parts]
    assert ("controlled", [("ProPS", "controlled"), ("SB3-A2C", "controlled"), ("SB3-PPO", "controlled")]) in seen
    assert ("published", [("SB3-A2C", "published"), ("SB3-PPO", "published")]) in seen
    assert len(seen) == 2


def test_what_is_logged_is_what_analyses_read(tmp_path: Path) -> None:
    run_suite(make_suite("maze", tmp_path / "maze_sb3", "algorithms=[DQN, PPO]", "num_trials=2"), None, SILENT)
    (dqn, ppo) = find_experiments(tmp_path)
    assert (dqn.label, ppo.label, dqn.environment) == ("SB3-DQN", "SB3-PPO", "maze")
    summary = json.loads((tmp_path / "maze_sb3/ppo/summary.json").read_text(encoding="utf-8"))
    assert summary["num_runs"] == len(ppo.runs) == 2
    for key, metric in (("best", "best_reward"), ("final", "final_reward"), ("heldout", "heldout_reward")):
        values = ppo.values(metric)
        assert summary[f"mean_{key}_reward"] == pytest.approx(np.mean(values))
        assert summary[f"std_{key}_reward"] == pytest.approx(np.std(values, ddof=1))
    assert summary["mean_reward_mean"] == pytest.approx(np.mean(ppo.values("mean_reward")))

    # Where only the algorithm's summary was kept, it tells the same.
    told = {metric: ppo.values(metric) for metric in METRICS}
    for path in sorted((tmp_path / "maze_sb3/ppo").glob("run_*/*")):
        path.unlink()
    for path in (tmp_path / "maze_sb3/ppo").glob("run_*"):
        path.rmdir()
    left = find_experiments(tmp_path)[-1]
    assert {metric: left.values(metric) for metric in METRICS} == told
    assert left.protocol == "published"


class TestNormalization:
    ZOO = "CartPole-v1:\n  normalize: 'dict(norm_obs=True, norm_reward=False)'\n  n_steps: 32\n  policy: MlpPolicy\n"

    def test_statistics_of_the_training_go_into_evaluations_and_stay_with_the_models(self, tmp_path: Path) -> None:
        zoo = write_zoo(tmp_path / "zoo", a2c=self.ZOO)
        config = make_suite("cartpole", tmp_path / "logs", "algorithms=[A2C]", f"zoo_hyperparams_dir={zoo}")
        run_suite(config, None, SILENT)
        run = tmp_path / "logs/a2c/run_1"
        kept = json.loads((run / "normalization.json").read_text(encoding="utf-8"))
        assert kept["final_model"]["count"] > kept["best_model"]["count"] - 1 > 0
        # The best model, loaded as a user does and given these statistics, plays the held-out episodes again.
        from stable_baselines3 import A2C

        (plan,) = make_plans(config)
        model, best = A2C.load(run / "best_model.zip"), kept["best_model"]

        def play(observations: Any, *, normalized: bool) -> Any:
            scaled = (observations - np.array(best["mean"])) / np.sqrt(np.array(best["var"]) + best["epsilon"])
            clipped = np.clip(scaled, -best["clip_obs"], best["clip_obs"])
            return model.predict(clipped if normalized else observations, deterministic=True)[0]

        from r2po.policies import FunctionPolicy
        from r2po.rollout import GymnasiumEngine

        engine = GymnasiumEngine("CartPole-v1", {}, plan.spaces, max_steps=500)
        seeds = plan.evaluation_seeds("heldout", 0, 2)
        returns = engine.evaluate(FunctionPolicy(lambda seen: play(seen, normalized=True)), seeds).returns
        engine.close()
        assert result(run)["heldout_reward"] == pytest.approx(returns.mean())


def test_the_source_of_hyperparameters_is_recorded(tmp_path: Path) -> None:
    zoo = write_zoo(tmp_path / "zoo", a2c="default:\n  gamma: 0.5\n  frame_stack: 4\n  learning_rate: lin_0.01\n")
    settings = ["algorithms=[A2C]", f"zoo_hyperparams_dir={zoo}", "algorithm_hyperparams.A2C.gamma=0.75"]
    (plan,) = make_plans(make_suite("nim", tmp_path / "logs", *settings))
    model = SB3Model(plan)
    assert model.algorithm.gamma == 0.75  # type: ignore[attr-defined]
    assert model.algorithm.lr_schedule(0.5) == 0.01  # the constant that the published code makes of it
    model.close()
    source = plan.description()["hyperparameter_source"]
    assert (source["entry"], source["overridden"], source["left_out"]) == ("default", ["gamma"], ["frame_stack"])
    (controlled,) = make_plans(make_suite("nim", tmp_path / "logs", *settings, "protocol=controlled"))
    model = SB3Model(controlled)
    assert model.algorithm.lr_schedule(0.5) == pytest.approx(0.005)
    model.close()


@pytest.mark.parametrize(("environment", "states"), [("nim", 11), ("frozenlake", 16), ("maze", 9)])
def test_states_are_one_hot_and_actions_count_from_0(tmp_path: Path, environment: str, states: int) -> None:
    (plan,) = make_plans(make_suite(environment, tmp_path, "algorithms=[PPO]"))
    model = SB3Model(plan)
    assert model.algorithm.observation_space.shape == (states,)
    assert model.algorithm.action_space.start == 0  # type: ignore[attr-defined]
    rollouts = model.roll_out([1, 2, 3])
    first = plan.spaces.first_action
    assert all(first <= action < first + plan.spaces.action_size for each in rollouts for action in each.actions)
    model.close()
    assert one_hot(np.array([0, 2]), 3).tolist() == [[1, 0, 0], [0, 0, 1]]


class Parts(gymnasium.Env[Any, Any]):
    """Observes parts, and counts how many of them have been made."""

    made = 0
    observation_space = gymnasium.spaces.Dict(
        {"near": gymnasium.spaces.Discrete(2), "place": gymnasium.spaces.Box(-9, 9, (2,))}
    )
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self) -> None:
        type(self).made += 1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.observation_space.sample(), 1.0, False, False, {}


@pytest.mark.parametrize("reuse", [True, False])
def test_parts_are_flattened_and_an_environment_that_must_not_be_reused_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reuse: bool
) -> None:
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
    gymnasium.register("tests/Parts-v0", f"{__name__}:Parts", max_episode_steps=5)
    card = replace(TASKS["cartpole"], name="parts", gym_id="tests/Parts-v0", flatten=True, reuse=reuse)
    monkeypatch.setattr(TASKS, "_items", {**TASKS, "parts": card})
    config = make_suite("cartpole", tmp_path / "logs", "gym_env_name=tests/Parts-v0", "algorithms=[A2C]")
    (plan,) = make_plans(config)
    model = SB3Model(plan)
    assert model.algorithm.observation_space.shape == (4,)
    before = Parts.made
    model.algorithm.learn(total_timesteps=50)  # ten episodes
    assert (Parts.made - before >= 10) == (not reuse)
    before = Parts.made
    assert list(model.roll_out([1, 2, 3]).returns) == [5.0, 5.0, 5.0]
    assert Parts.made - before == 3
    model.close()


BAD: dict[str, tuple[list[str], str]] = {
    "unknown algorithm": (["--algorithms", "PPOO"], "unknown algorithm 'PPOO' (did you mean 'PPO'?)"),
    "discrete only": (["--algorithms", "DQN"], "DQN does not fit Swimmer-v5: its actions are continuous"),
    "missing zoo": (["--set", "zoo_hyperparams_dir=nowhere"], "zoo_hyperparams_dir 'nowhere' has no hyperparameters"),
    "missing reference": (["--set", "reference_logdir=nowhere", "budget_target=null"], "reference_logdir: no log dir"),
    "unknown hyperparameter": (
        ["--set", "algorithm_hyperparams.SAC.gama=1"],
        "SAC has no hyperparameter 'gama' (did you mean 'gamma'?), which algorithm_hyperparams sets",
    ),
    "impossible value": (["--set", "algorithm_hyperparams.SAC.train_freq=often"], "SAC refuses its hyperparameters"),
    "no schedule there": (["--set", "algorithm_hyperparams.SAC.gamma=lin_1"], "expected a constant"),
    "unknown protocol": (["--protocol", "strict"], "protocol is 'strict'"),
    "logdir below a file": (["--set", "logdir=file/logs"], "cannot make the run directory"),
}


@pytest.mark.parametrize(("options", "expected"), BAD.values(), ids=BAD)
def test_bad_input_costs_one_line_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    small = ["--set", "zoo_hyperparams_dir=null", "budget_mode=steps", "budget_target=200", "num_trials=1"]
    config = SUITES / "swimmer_sb3.yaml"
    assert main(["sb3_baselines", "--config", str(config), "--quiet", *small, *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_another_config_in_the_same_place(tmp_path: Path) -> None:
    run_suite(make_suite("nim", tmp_path / "logs", "algorithms=[A2C]"), None, SILENT)
    changed = make_suite("nim", tmp_path / "logs", "algorithms=[A2C]", "budget_target=300")
    with pytest.raises(InputError, match="was made with another config: budget_target was 200, is 300"):
        run_suite(changed, None, SILENT)
    other = tmp_path / "logs/ppo/run_1"
    other.mkdir(parents=True)
    (other / "mine.txt").touch()
    with pytest.raises(InputError, match="holds something other than"):
        run_suite(make_suite("nim", tmp_path / "logs", "algorithms=[PPO]"), None, SILENT)


def test_training_episodes_without_evaluations(tmp_path: Path) -> None:
    settings = ["budget_mode=episodes", "budget_target=7", "use_periodic_eval=false", "algorithms=[A2C]"]
    run_suite(make_suite("nim", tmp_path / "logs", *settings), None, SILENT)
    logged = figures(tmp_path / "logs/a2c/run_1")
    assert [record["episodes"] for record in logged] == list(range(1, 8))
    assert {record["candidates"][0]["stage"] for record in logged} == {"training"}
    assert {record["reward"] for record in logged} <= {-1.0, 1.0}


def test_watch_says_where_the_model_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_suite(make_suite("nim", tmp_path / "logs", "algorithms=[A2C]"), None, SILENT)
    assert main(["watch", str(tmp_path / "logs/a2c/run_1")]) == 2
    assert "best_model.zip" in capsys.readouterr().err
    assert load_log_directory(tmp_path / "logs/a2c").runs[0].algorithm == "A2C"


QUICK = ["zoo_hyperparams_dir=null", "num_trials=1", "budget_target=42", "heldout_episodes=1"]


def test_the_command_shows_its_progress(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ["--config", str(SUITES / "nim_sb3.yaml"), "--algorithms", "a2c", "--set", f"logdir={tmp_path}/logs"]
    assert main(["sb3_baselines", *options, *QUICK]) == 0
    said = capfd.readouterr()
    assert said.err == ""
    assert "A2C   Stable-Baselines3's defaults" in said.out
    assert "A2C run_1: 42/42 episodes" in said.out
    assert "2 training and 40 evaluation episodes" in said.out


@pytest.mark.slow
def test_the_script_does_what_the_command_does(tmp_path: Path) -> None:
    """In a process that has not loaded PyTorch yet, which takes ten seconds."""
    options = ["--config", str(SUITES / "nim_sb3.yaml"), "--algorithms", "a2c", "--set", f"logdir={tmp_path}/logs"]
    command = [sys.executable, "sb3_baselines.py", *options, *QUICK]
    done = subprocess.run(command, cwd=SUITES.parents[1], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "A2C run_1: 42/42 episodes" in done.stdout
