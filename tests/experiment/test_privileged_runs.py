"""Runs whose programs are given hidden state: all that rolls a policy out gives it the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml
from PIL import Image

import r2po
from r2po.analysis.logs.experiments import find_experiments
from r2po.commands.export import export
from r2po.commands.reevaluate import reevaluate_runs
from r2po.commands.watch import watch
from r2po.config import Config
from r2po.errors import InputError
from r2po.experiment.resolve import name_idle_keys
from r2po.experiment.setting import Setting
from r2po.prompts.numbers import number
from r2po.runlog import RunDirectory
from r2po.runlog.reevaluation import read_reevaluation
from r2po.seeding import derive_seed
from tests.builders import make_config
from tests.methods.promptpo.programs import Model, block, policy, records, run
from tests.methods.promptpo.test_rounds import Notes

Patch = pytest.MonkeyPatch
STEPS = 25
BY_X = policy("gain = {gain}", "return [1.0 if obs[8] > 0 else -1.0, gain * (obs[8] + len(obs))]")
PARAMS = 'PARAMS = {"gain": (0.05, 0.0, 0.1)}'
SOURCE = BY_X.format(gain="0.05")
TUNED = f"{PARAMS}\n{BY_X.format(gain='PARAMS[' + repr('gain') + '][0]')}"


def config_of(logdir: Path, method: str = "promptpo", **values: Any) -> Config:
    small = {"num_iterations": 2, "num_evaluation_episodes": 2, "heldout_episodes": 2, "max_traj_length": STEPS}
    model = {"llm_model_name": "scripted/code", "logdir": str(logdir), "seed": 1, "information": "privileged"}
    rounds = {"candidates": 1, "repairs": 0, "budget": "iterations"} if method.startswith("promptpo") else {}
    code = {} if rounds else {"policy": "code"}
    return make_config("swimmer", method, **{**small, **model, **rounds, **code, **values})


def by_hand(seed: int, gain: float = 0.05) -> float:
    """Return what ``SOURCE`` earns, by Gymnasium alone, which tells x beside the observation."""
    with closing(gymnasium.make("Swimmer-v5")) as env:
        _, info = env.reset(seed=seed)
        total = 0.0
        for _ in range(STEPS):
            x = info["x_position"]
            action = np.clip([1.0 if x > 0 else -1.0, gain * (x + 9)], -1.0, 1.0)
            _, reward, _, _, info = env.step(action)
            total += float(reward)
    return total


@pytest.fixture(scope="module")
def privileged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("privileged")
    with pytest.MonkeyPatch.context() as monkeypatch:
        run(config_of(folder), Model({"search": block(SOURCE)}), monkeypatch)
    return folder / "run_1"


def heldout(number: int) -> int:
    return derive_seed(1, "heldout", number)


def test_evaluations_heldout_episodes_and_fresh_ones_give_x(privileged: Path) -> None:
    directory, (record, _) = RunDirectory(privileged), records(privileged.parent)
    seeds = Setting(config_of(privileged.parent), 1).seeds(1, 0)
    assert record["candidates"][0]["returns"] == [by_hand(seed) for seed in seeds]
    expected = np.mean([by_hand(heldout(number)) for number in range(2)])
    assert directory.read_result()["heldout_reward"] == pytest.approx(expected, rel=1e-12)
    (outcome,) = reevaluate_runs([privileged], 2, 1, everyone=True)
    assert outcome.state == "done"
    fresh = read_reevaluation(directory.reevaluation)[1].returns
    assert list(fresh) == [by_hand(derive_seed(1, "reevaluation", 1, k)) for k in range(2)]


def test_a_loaded_policy_takes_what_its_environment_gives(privileged: Path) -> None:
    with r2po.load_policy(privileged) as loaded, closing(loaded.make_environment()) as env:
        observation, _ = env.reset(seed=heldout(0))
        loaded.reset()
        total = 0.0
        for _ in range(STEPS):
            observation, reward, _, _, _ = env.step(loaded.act(observation))
            total += float(reward)
        assert total == by_hand(heldout(0))
        with pytest.raises(InputError, match=r"shape \(8,\): expected 9 numbers, the last of them hidden state \(x\)"):
            loaded.act(observation[:8])


def test_the_exported_program_says_what_it_needs(privileged: Path, tmp_path: Path) -> None:
    export(privileged, tmp_path / "best.py")
    text = (tmp_path / "best.py").read_text(encoding="utf-8")
    assert (
        "# It needs hidden state, read from the simulator:\n# obs[8]: x of the front link's reference point (m).\n"
        in text
    )
    assert text == (privileged / "best_policy.py").read_text(encoding="utf-8")
    compile(text, "best.py", "exec")


def test_watching_gives_x(privileged: Path, tmp_path: Path, monkeypatch: Patch) -> None:
    class Undrawn(gymnasium.Wrapper[Any, Any, Any, Any]):
        """Draws nothing: this machine may have no graphics."""

        def render(self) -> Any:
            return np.zeros((4, 4, 3), np.uint8)

    make: Callable[..., Any] = gymnasium.make
    monkeypatch.setattr(gymnasium, "make", lambda name, render_mode=None, **values: Undrawn(make(name, **values)))
    said = watch(RunDirectory(privileged), 1, str(tmp_path / "best.gif"))
    assert f"return {number(by_hand(heldout(1)))} in {STEPS} steps" in said
    with Image.open(tmp_path / "best.gif") as picture:
        assert picture.size == (4, 4)


def test_every_prompt_names_the_field_and_shows_no_reward_as_code(tmp_path: Path, monkeypatch: Patch) -> None:
    model = Model({"search": block(SOURCE)})
    run(config_of(tmp_path), model, monkeypatch)
    assert {request.role for request in model.requests} == {"feedback", "search", "reflection"}
    for request in model.requests:
        assert "State s, 9 dimensions:" in request.prompt
        assert "\n- s[8]: x of the front link's reference point (m), read from the simulator\n" in request.prompt
        assert "s[8] is hidden state, read from the simulator as it is before the action." in request.prompt
        assert "# The reward as code" not in request.prompt
    assert "a NumPy vector of 9 float64 numbers, obs[0] to obs[8]" in model.prompts("search")[0]
    assert "9 float64 each, s[0] to s[8]" in model.prompts("feedback")[0]


def test_such_runs_are_marked_and_never_averaged_with_others(tmp_path: Path, monkeypatch: Patch) -> None:
    plain = policy("return [0.0 * len(obs), 0.0]")
    hashes = set()
    for information in ("same", "privileged"):
        config = config_of(tmp_path / information, information=information, num_iterations=1)
        run(config, Model({"search": block(plain)}), monkeypatch)
        (experiment,) = find_experiments(tmp_path / information)
        (found,) = experiment.runs
        assert ("hidden state" in found.prompts) == (information == "privileged")
        hashes.add(found.prompts_hash)
        said = yaml.safe_load((tmp_path / information / "run_1" / "run.yaml").read_text(encoding="utf-8"))
        assert said["config"]["information"] == information
    assert len(hashes) == 2
    assert len(find_experiments(tmp_path)) == 2


def test_a_replay_with_other_prompts_is_marked_too(tmp_path: Path, monkeypatch: Patch) -> None:
    plain = policy("return [0.0 * len(obs), 0.0]")
    run(config_of(tmp_path / "a", information="same"), Model({"search": block(plain)}), monkeypatch)
    replay = config_of(tmp_path / "b", llm_model_name=f"replay/{tmp_path / 'a' / 'run_1'}")
    run(replay, Model({}), monkeypatch, replay_by_position=True)
    (experiment,) = find_experiments(tmp_path / "b")
    assert experiment.runs[0].prompts == "replies to other prompts, hidden state"


def test_tuned_constants_are_tried_with_x(tmp_path: Path, monkeypatch: Patch) -> None:
    pytest.importorskip("cma")
    config = config_of(tmp_path / "tuned", "promptpo_tuned", tune_evaluations=6, tune_episodes=1, num_iterations=1)
    run(config, Model({"search": block(TUNED)}), monkeypatch)
    (record,) = records(tmp_path / "tuned")
    assert all("failure" not in each for each in record["candidates"])
    seeds = Setting(config, 1).seeds(1, 0)
    assert record["candidates"][0]["returns"] == [by_hand(seed) for seed in seeds]
    (tuned,) = (each for each in record["candidates"] if each["stage"].endswith("_tuned"))
    gain = float(tuned["source"].split("(")[1].split(",")[0])
    assert gain != 0.05
    assert tuned["returns"] == [by_hand(seed, gain) for seed in seeds]


def test_other_methods_give_programs_x_too(tmp_path: Path, monkeypatch: Patch) -> None:
    config = config_of(tmp_path / "r2po", "r2po", num_iterations=1)
    model = Model({"search": block(SOURCE), "critic": block(SOURCE)})
    run(config, model, monkeypatch)
    (record,) = records(tmp_path / "r2po")
    assert record["candidates"][0]["returns"] == [by_hand(seed) for seed in Setting(config, 1).seeds(1, 0)]
    assert all("s[8] is hidden state" in request.prompt for request in model.requests)
    notes = Notes()
    name_idle_keys(config, notes)
    assert notes.said == []


@pytest.mark.parametrize(
    ("task", "method", "changes", "said"),
    [
        ("swimmer", "r2po", {"policy": "linear"}, "only policies that are programs are given hidden state, not"),
        (
            "swimmer",
            "random_search",
            {"policy": "code"},
            "method 'random_search' asks no model, so nobody would read it",
        ),
        ("cliffwalking", "promptpo", {}, r"has no state to give: its hidden fields \(slip\) only explain the reward"),
        ("frozenlake", "promptpo", {}, "has no state to give: it names no hidden fields; these have some: "),
    ],
)
def test_what_cannot_be_given_is_refused(task: str, method: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"^test: information is 'privileged'; .*{said}") as refused:
        make_config(task, method, information="privileged", llm_model_name="embedded/code", **changes)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("engine", ["kernel", "mujoco"])
def test_compiled_engines_are_refused(engine: str, tmp_path: Path) -> None:
    said = f"rollout_engine is '{engine}': it shows policies what the environment observes, as it is; expected"
    with pytest.raises(InputError, match=said):
        Setting(config_of(tmp_path, rollout_engine=engine), 1)
    assert Setting(config_of(tmp_path, rollout_engine="reference"), 1).engine.name == "reference"
