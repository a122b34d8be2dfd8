"""Hidden state that follows an observation: which tasks have some, that it is true, and what prompts say of it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray

from r2po.envs.making import make
from r2po.errors import InputError
from r2po.tasks import TASKS
from r2po.tasks.hidden import READERS, hidden_reader
from r2po.tasks.privileged import HiddenState, check_state
from r2po.tasks.spaces import read_spaces

STATE = {
    "swimmer": ("x",),
    "hopper": ("x",),
    "walker2d": ("x",),
    "halfcheetah": ("x",),
    "inverteddoublependulum": ("v1", "v2"),
}
"""No other hidden field is known before an action and not observed: a draw that is yet to come, a tip that follows from
the observation, a sleep that ends the episode."""


def by_mujoco(name: str, env: gymnasium.Env[Any, Any]) -> NDArray[np.float64]:
    """Return the state fields of an environment, from positions and velocities in MuJoCo's own order."""
    data: Any = env.unwrapped.data  # type: ignore[attr-defined]
    return np.array(data.qvel[1:3] if name == "inverteddoublependulum" else data.qpos[:1])


def test_the_tasks_that_have_state() -> None:
    assert {name: task.state for name, task in TASKS.items() if task.state} == STATE


@pytest.mark.parametrize("name", STATE)
def test_state_follows_the_observation_and_changes_nothing_else(name: str) -> None:
    task, rng = TASKS[name], np.random.default_rng(1)
    hidden, plain, spaces = HiddenState(task), make(task.gym_id), read_spaces(task.gym_id, {})
    with closing(plain), closing(hidden.wrap(make(task.gym_id))) as wrapped:
        size = hidden.spaces(spaces).observation_size
        assert size == spaces.observation_size + len(task.state)
        expected, (found, _) = (plain.reset(seed=5)[0], 0.0, False, False), wrapped.reset(seed=5)
        told: tuple[Any, ...] = (found, 0.0, False, False)
        for _ in range(60):
            assert np.array_equal(told[0], [*expected[0], *by_mujoco(name, plain)])
            assert told[0] in wrapped.observation_space
            assert told[1:4] == expected[1:4]
            if expected[2]:
                break
            action = rng.uniform(spaces.action_low, spaces.action_high)
            expected, told = plain.step(action)[:4], wrapped.step(action)[:4]  # type: ignore[assignment]
        assert len(np.unique(by_mujoco(name, plain))) == len(task.state)
        assert np.any(by_mujoco(name, plain) != 0)


def test_the_swimmers_x_is_what_gymnasium_reports() -> None:
    with closing(HiddenState(TASKS["swimmer"]).wrap(make("Swimmer-v5"))) as env:
        observation, info = env.reset(seed=3)
        for _ in range(20):
            assert observation[8] == info["x_position"]
            observation, _, _, _, info = env.step(np.array([0.5, -0.5]))


def test_velocities_of_the_pendulum_are_not_clipped() -> None:
    with closing(HiddenState(TASKS["inverteddoublependulum"]).wrap(make("InvertedDoublePendulum-v5"))) as env:
        env.reset(seed=1)
        fast = next(seen for seen in (env.step(np.array([1.0]))[0] for _ in range(20)) if abs(seen[9]) > 10)
        assert abs(fast[6]) == 10.0


@pytest.mark.skipif("lunarlander" not in TASKS, reason="needs the task")
def test_whether_the_lander_sleeps_is_known_only_at_the_end() -> None:
    pytest.importorskip("Box2D")
    task = TASKS["lunarlander"]
    read = hidden_reader(task)
    with closing(make(task.gym_id)) as env:
        for seed in range(5):
            env.reset(seed=seed)
            over = False
            while not over:
                assert read(env) == {"asleep": 0.0}
                _, _, terminated, truncated, _ = env.step(0)
                over = terminated or truncated


@pytest.mark.parametrize(
    ("name", "told"),
    [("swimmer", "s[8] is hidden state"), ("inverteddoublependulum", "s[9] to s[10] are hidden state")],
)
def test_a_description_names_the_fields_and_says_where_they_come_from(name: str, told: str) -> None:
    task = TASKS[name]
    for plain in (task.description("published", "code")[1], task.description("detailed", "code")[1]):
        found = HiddenState(task).description(plain)
        assert found.summary.startswith(plain.summary)
        assert f"{told}, read from the simulator as it is before the action" in found.summary
        added = [f"{task.hidden[field]}, read from the simulator" for field in task.state]
        assert [dimension.name for dimension in found.observation] == [  # type: ignore[union-attr]
            *(dimension.name for dimension in plain.observation),  # type: ignore[union-attr]
            *added,
        ]
        assert replace(found, summary=plain.summary, observation=plain.observation) == plain


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cliffwalking", r"its hidden fields \(slip\) only explain the reward"),
        ("lunarlander", r"its hidden fields \(asleep\) only explain the reward"),
        ("cartpole", "it names no hidden fields"),
    ],
)
def test_a_task_without_state_is_refused(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=f"the card of {name} has no state to give: {reason}; .*Swimmer-v5") as refused:
        check_state(TASKS[name])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("swimmer", {"state": ("y",)}, "state names 'y', which is no hidden field.*expected some of: x"),
        ("swimmer", {"state": ("x", "x")}, "state names a field twice: x, x"),
        ("cliffwalking", {"state": ("slip",)}, "state fields follow a vector, and it observes the number of a state"),
        ("swimmer", {"hidden": {"x": "x", "y": "y"}, "reward_source": ""}, "hidden fields are for the function"),
    ],
)
def test_a_card_that_cannot_be_meant_is_refused(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"task '{name}': {message}"):
        replace(TASKS[name], **changes)


def test_a_task_may_have_state_and_no_function_of_its_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    task = replace(TASKS["cartpole"], reward_source="", hidden={"steps": "steps so far"}, state=("steps",))
    monkeypatch.setitem(READERS, "cartpole", lambda env: {"steps": env._elapsed_steps})
    with closing(HiddenState(task).wrap(gymnasium.make("CartPole-v1"))) as env:
        assert env.observation_space.shape == (5,)
        assert (env.reset(seed=1)[0][4], env.step(0)[0][4], env.step(1)[0][4]) == (0.0, 1.0, 2.0)
    monkeypatch.setitem(READERS, "cartpole", lambda _env: {"step": 1.0})
    with pytest.raises(InputError, match="the reader of its hidden fields gives no steps; it gives step"):
        hidden_reader(task)(None)


def test_state_is_not_appended_to_the_number_of_a_state() -> None:
    with pytest.raises(InputError, match="task 'swimmer': state fields follow a vector"):
        HiddenState(TASKS["swimmer"]).spaces(read_spaces("FrozenLake-v1", {}))
