"""``task``: a config's own card, and environments without any."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium import spaces

from r2po.config import Config, changes, load_config, resolve
from r2po.errors import InputError
from r2po.experiment.setting import Setting
from r2po.methods import METHODS
from r2po.tasks import TASKS, Task
from r2po.tasks.draft import draft

PENDULUM = {
    **TASKS["pendulum"].record(),
    "name": "rod",
    "label": "Rod",
    "optimum": -300.0,
    "max_traj_length": 50,
    "warmup_episodes": 2,
}
RUN = {"method": "r2po", "llm_model_name": "embedded/search", "logdir": "logs/rod"}
BARE = {"method": "props", "llm_model_name": "embedded/search", "logdir": "logs/bare"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a config in one folder, and its card in another."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "tasks").mkdir()
    write(tmp_path / "tasks" / "rod.yaml", PENDULUM)
    write(tmp_path / "runs" / "rod.yaml", {**RUN, "task": "../tasks/rod.yaml"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, values: Any) -> None:
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def complaint(values: dict[str, Any]) -> str:
    with pytest.raises(InputError) as refused:
        resolve(values, "test")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_card_names_the_environment_and_decides_defaults(folder: Path) -> None:
    config = load_config("runs/rod.yaml")
    assert (config.gym_env_name, config.card.name, config.policy) == ("Pendulum-v1", "rod", "linear")
    assert (config.optimum, config.max_traj_length, config.warmup_episodes) == (-300.0, 50, 2)
    assert config.critic_llm_conservative_threshold == -160.0
    assert load_config("runs/rod.yaml", ["optimum=-10"]).optimum == -10.0
    assert load_config("runs/rod.yaml", ["gym_env_name=Pendulum-v1"]) == config


def test_a_path_is_seen_from_the_config_and_on_the_command_line_from_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARDS", str(folder / "tasks"))
    write(folder / "runs" / "other.yaml", {**RUN, "task": "$CARDS/rod.yaml"})
    expected = load_config("runs/rod.yaml")
    assert load_config("runs/other.yaml") == expected
    assert load_config("runs/rod.yaml", ["task=tasks/rod.yaml"]) == expected
    assert resolve({**RUN, "task": "tasks/rod.yaml"}, "test") == expected
    monkeypatch.chdir(folder / "runs")
    assert load_config("rod.yaml") == expected


def test_the_card_travels_as_data(folder: Path) -> None:
    config = load_config("runs/rod.yaml")
    (folder / "tasks" / "rod.yaml").unlink()
    recorded = yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))
    assert recorded["task"] == yaml.safe_load(yaml.safe_dump(PENDULUM))
    assert Config(**recorded).card == config.card == pickle.loads(pickle.dumps(config)).card
    assert resolve({**RUN, "task": recorded["task"]}, "test").card == config.card
    assert changes(config, recorded, 1) == ""


@pytest.mark.parametrize("name", TASKS)
def test_the_record_of_every_card_is_the_whole_card(name: str) -> None:
    card = TASKS[name]
    plain = yaml.safe_load(yaml.safe_dump(card.record()))
    assert Config(gym_env_name=card.gym_id, method="r2po", logdir="x", task=plain).card == card


def test_each_entry_that_has_changed_is_named() -> None:
    config = resolve({**RUN, "task": PENDULUM}, "test")
    other = resolve({**RUN, "task": {**PENDULUM, "optimum": -200.0, "reuse": False, "summary": "x" * 500}}, "test")
    said = changes(other, config.model_dump(mode="json"), 1)
    assert "task.optimum was -300.0, is -200.0" in said
    assert "task.reuse was None, is False" in said
    assert "optimum was -300.0, is -200.0" in said
    assert len(said) < 900
    plain = resolve({**RUN, "gym_env_name": "Pendulum-v1"}, "test")
    assert "task.name was None, is 'rod'" in changes(config, plain.model_dump(mode="json"), 1)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another environment": (
        {"task": PENDULUM, "gym_env_name": "CartPole-v1"},
        "gym_env_name is 'CartPole-v1', but the task card",
    ),
    "no path": ({"task": "rod"}, "task is 'rod'; expected the path of a task card, a file that ends in .yaml"),
    "no card": ({"task": 3}, "task is 3; expected the path of a task card"),
    "no file": ({"task": "nowhere/rod.yaml"}, "cannot read the task card nowhere/rod.yaml: No such file or directory"),
    "an unknown entry": (
        {"task": {**PENDULUM, "optimun": 1}},
        "test: task: unknown entry 'optimun' (did you mean 'optimum'?)",
    ),
    "a wrong type": ({"task": {**PENDULUM, "optimum": "high"}}, "test: task: optimum: input should be a valid number"),
    "a null byte": ({"task": {**PENDULUM, "summary": "a\0b"}}, "expected a text without"),
    "no environment": (
        {"task": {**PENDULUM, "gym_id": "Pendulun-v1"}},
        "gym_id: unknown environment 'Pendulun-v1' (did you mean 'Pendulum-v1'?)",
    ),
    "a module": ({"task": {**PENDULUM, "gym_id": "lab:Rig-v0"}}, "test asks for the plugin 'lab'; to let it run"),
    "the name of another task": (
        {"task": {**PENDULUM, "name": "nim"}},
        "name is 'nim', the task Nim-v0; tables would mix",
    ),
    "an unknown policy": (
        {"task": {**PENDULUM, "policy": "lineal"}},
        "unknown policy 'lineal' (did you mean 'linear'?)",
    ),
    "an environment's argument": (
        {"task": PENDULUM, "env_kwargs": {"g": 3.0}},
        "env_kwargs: with 'g' 3.0 the description",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_with_a_card_is_said_in_one_line(kind: str) -> None:
    values, said = WRONG[kind]
    assert said in complaint({**RUN, **values})


def test_a_card_that_does_not_fit_the_environment_is_refused() -> None:
    config = resolve({**RUN, "task": {**PENDULUM, "observation": [{"name": "x"}]}}, "test")
    with pytest.raises(InputError, match="the task card of rod does not fit: observation lists 1 numbers; Pendulum-v1"):
        Setting(config, 1)


def test_configs_of_the_published_code_may_have_a_key_of_that_name(tmp_path: Path) -> None:
    values = {"task": "cartpole_propsp", "gym_env_name": "CartPole-v1", "llm_model_name": "x", "logdir": "y"}
    write(tmp_path / "theirs.yaml", {**values, "bias": True})
    config = load_config(tmp_path / "theirs.yaml")
    assert (config.method, config.task) == ("propsp", None)


# ---- Cards that are not finished ----


def unfinished() -> dict[str, Any]:
    return draft("Pendulum-v1", {}).card.record() | {"name": "rod"}


def test_what_is_to_be_filled_in_is_named_by_methods_that_describe() -> None:
    said = complaint({**RUN, "task": unfinished(), "optimum": -200})
    assert "the task card of rod is not finished: TODO in summary, reward, ending, conservative_threshold;" in said
    assert "method 'r2po' describes the environment" in said
    assert "TODO in summary, reward, ending;" in complaint(
        {**RUN, "method": "propsp", "task": unfinished(), "optimum": 1}
    )
    told = {**unfinished(), "summary": "a", "reward": "b", "ending": "c"}
    assert "TODO in conservative_threshold;" in complaint({**RUN, "task": told, "optimum": -200})
    open_ = resolve({**RUN, "task": told, "optimum": -200, "critic_llm_conservative_threshold": None}, "test")
    assert open_.critic_llm_conservative_threshold is None


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if not method.tells_of_task(None)])
def test_methods_that_describe_nothing_take_it(method: str) -> None:
    if METHODS[method].searches == "tables":
        pytest.skip("Pendulum takes no tables")
    config = resolve({**BARE, "method": method, "task": unfinished(), "optimum": -200}, "test")
    assert (config.max_traj_length, config.optimum) == (200, -200)
    assert "optimum is missing; its task card leaves it open" in complaint(
        {**BARE, "method": method, "task": unfinished()}
    )


def test_programs_are_always_told_of_the_environment() -> None:
    said = complaint({**BARE, "task": unfinished(), "optimum": -200, "policy": "code"})
    assert "method 'props' with policy 'code' describes the environment" in said


# ---- Environments without a card ----


class Lab(gymnasium.Env[Any, Any]):
    """Has the spaces that it is given."""

    def __init__(self, observation: Any = None, action: Any = None) -> None:
        self.observation_space = observation or spaces.Box(-1, 1, (2,))
        self.action_space = action or spaces.Discrete(2)


@pytest.fixture
def lab() -> Iterator[str]:
    gymnasium.register("lab/Rig-v3", cast("Any", Lab), max_episode_steps=30, reward_threshold=5)
    yield "lab/Rig-v3"
    gymnasium.registry.pop("lab/Rig-v3")


def test_the_entry_in_gymnasium_decides(lab: str) -> None:
    config = resolve({**BARE, "gym_env_name": lab}, "test")
    assert (config.policy, config.max_traj_length, config.optimum, config.warmup_episodes) == ("linear", 30, 5.0, 20)
    assert (config.card.name, config.card.label, config.card.reuse) == ("lab_rig_v3", lab, False)
    assert not config.card.is_described
    shorter = resolve({**BARE, "gym_env_name": lab, "max_traj_length": 10, "optimum": 3}, "test")
    assert (shorter.max_traj_length, shorter.optimum, shorter.card.max_traj_length) == (10, 3.0, 30)


def test_numbered_states_have_tables() -> None:
    values = {**BARE, "gym_env_name": "CliffWalking-v1", "max_traj_length": 100, "optimum": -13}
    assert resolve(values, "test").policy == "tabular"
    assert "max_traj_length is missing; Gymnasium does not tell it for 'CliffWalking-v1'" in complaint(
        {**values, "max_traj_length": None}
    )
    assert "optimum is missing; Gymnasium does not tell it" in complaint({**values, "optimum": None})


def test_methods_that_describe_ask_for_a_card(lab: str) -> None:
    describing = [name for name, method in METHODS.items() if method.tells_of_task(None)]
    assert set(METHODS) - set(describing) >= {"props", "pure_search", "cma_es", "random_search", "ars"}
    for method in describing:
        said = complaint({**BARE, "method": method, "gym_env_name": lab})
        assert f"method {method!r} describes the environment to the model, and '{lab}' has no task card" in said
        assert f"r2po new-task {lab} drafts one" in said
    assert "('Swimmer-v5' has one)" in complaint({**RUN, "gym_env_name": "Swimmer-v4"})


@pytest.mark.parametrize(
    ("gym_id", "meant"), [("BipedalWaker-v3", "BipedalWalker-v3"), ("Taxi-v5", "Taxi-v4"), ("cartpole", "CartPole-v1")]
)
def test_an_unknown_id_gets_the_nearest_registered_one(gym_id: str, meant: str) -> None:
    said = complaint({**BARE, "gym_env_name": gym_id})
    assert said.startswith(f"unknown environment {gym_id!r} (did you mean {meant!r}?); known: CartPole-v1, ")


def test_no_module_is_imported_for_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab_module.py").write_text("raise SystemExit('it ran')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert "asks for the plugin 'lab_module'" in complaint({**BARE, "gym_env_name": "lab_module:Rig-v0"})
    assert "lab_module" not in sys.modules


@pytest.mark.parametrize(
    ("observation", "action", "said"),
    [
        (spaces.Box(0, 255, (8, 8, 3)), None, "unsupported observation space Box(0.0, 255.0, (8, 8, 3), float32)"),
        (spaces.Dict({"x": spaces.Discrete(3)}), None, "a task card with flatten: true makes it a vector of 3 numbers"),
        (spaces.Discrete(3, start=1), None, "expected numbered states that count from 0"),
        (spaces.MultiBinary(3), None, "flatten: true makes it a vector of 3 numbers"),
        (None, spaces.MultiDiscrete([2, 2]), "unsupported action space MultiDiscrete([2 2])"),
        (None, spaces.Box(0, 9, (2,), np.int64), "unsupported action space Box(0, 9, (2,), int64)"),
    ],
)
def test_spaces_that_no_policy_takes_are_named(observation: Any, action: Any, said: str, lab: str) -> None:
    values = {**BARE, "method": "cma_es", "gym_env_name": lab}
    assert said in complaint({**values, "env_kwargs": {"observation": observation, "action": action}})


def test_actions_may_be_unbounded_and_observations_whole(lab: str) -> None:
    kwargs = {"observation": spaces.Box(0, 9, (3,), np.int64), "action": spaces.Box(-float("inf"), float("inf"), (2,))}
    card = resolve({**BARE, "method": "cma_es", "gym_env_name": lab, "env_kwargs": kwargs}, "test").card
    assert (card.policy, card.env_kwargs) == ("linear", kwargs)


def test_the_mark_of_success_is_a_key_of_info() -> None:
    card = TASKS["pendulum"]
    keys = [replace(card, success=success).success_key for success in (False, True, "is_success")]
    assert keys == ["", "success", "is_success"]
    assert isinstance(card, Task)
