"""The rewards as Python: their texts stand alone, and give the environments' rewards bit for bit."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from r2po.envs.extras import lacking
from r2po.tasks import PUBLISHED, TASKS, Task
from r2po.tasks.hidden import hidden_reader, step_record
from r2po.tasks.spaces import Spaces, read_spaces
from tests.tasks.hand_written import SOURCES, in_process
from tests.tasks.optimal import noise_world_policy

WRITTEN = [task for task in TASKS.values() if task.reward_source]
here = pytest.mark.parametrize(
    "task",
    [
        pytest.param(
            task, id=task.name, marks=pytest.mark.skipif(bool(lacking(task.gym_id)), reason=lacking(task.gym_id))
        )
        for task in WRITTEN
    ],
)
every_task = pytest.mark.parametrize("task", WRITTEN, ids=lambda task: task.name)


def function(task: Task) -> Callable[..., float]:
    """Return the function that a card's text defines, which may use ``math`` and ``np`` and nothing else."""
    names: dict[str, Any] = {"math": math, "np": np}
    exec(compile(task.reward_source, task.name, "exec", dont_inherit=True), names)
    found: Callable[..., float] = names["reward"]
    return found


def steps(task: Task, act: Callable[[Any], Any], seed: int, cap: int) -> Iterator[tuple[Any, ...]]:
    """Yield observation, action, next observation, end, hidden record and the environment's reward of an episode."""
    env = gymnasium.make(task.gym_id, disable_env_checker=True, **task.env_kwargs)
    read = hidden_reader(task)
    seen, _ = env.reset(seed=seed)
    for _ in range(cap):
        before = read(env)
        action = act(seen)
        after, reward, terminated, truncated, _ = env.step(action)
        yield seen, action, after, bool(terminated), step_record(before, read(env)), float(reward)
        seen = after
        if terminated or truncated:
            break
    env.close()


def random_actions(spaces: Spaces, seed: int) -> Callable[[Any], Any]:
    rng = np.random.default_rng(seed)
    if spaces.discrete_action:
        return lambda _obs: spaces.first_action + int(rng.integers(spaces.action_size))
    return lambda _obs: rng.uniform(spaces.action_low, spaces.action_high)


def good_actions(task: Task) -> Callable[[Any], Any]:
    if task.name.startswith("noise_world"):
        return noise_world_policy(task)
    policy = in_process(SOURCES[task.name])()

    def act(obs: Any) -> Any:
        action = policy.act(obs)
        return action if isinstance(action, int) else np.array(action, np.float64)

    return act


def rewards_of(task: Task, episode: Iterator[tuple[Any, ...]]) -> list[float]:
    """Compare every step with the card's function; return the rewards."""
    reward, rewards = function(task), []
    for seen, action, after, terminated, hidden, expected in episode:
        plain = [value.tolist() if isinstance(value, np.ndarray) else value for value in (seen, action, after)]
        found = reward(*plain, terminated, hidden) if task.hidden else reward(*plain, terminated)
        assert isinstance(found, float)
        assert abs(found - expected) <= task.reward_tolerance, (plain, terminated, hidden)
        rewards.append(expected)
    return rewards


@here
def test_it_is_the_environments_in_random_episodes(task: Task) -> None:
    spaces = read_spaces(task.gym_id, task.env_kwargs)
    seed = total = 0
    while seed < 3 or total < 500:
        total += len(rewards_of(task, steps(task, random_actions(spaces, seed), seed, 300)))
        seed += 1


GOOD = [*PUBLISHED, *(f"noise_world_{board}" for board in (0, 3, 6))]
SEEN = {
    "mountaincar": {-1.0},
    "cartpole": {1.0},
    "pong": {0.0, 1.0},
    "frozenlake": {0.0, 1.0},
    "maze": {1.0, -0.1 / 9},
    "nim": {0.0, 1.0},
    "noise_world_0": {-1.0, 124.0},
    "noise_world_3": {-1.0, 999.0},
    "noise_world_6": {-1.0, 999.0},
}


@pytest.mark.parametrize("name", GOOD)
def test_it_is_the_environments_in_good_episodes(name: str) -> None:
    task = TASKS[name]
    assert task.max_traj_length is not None
    rewards: set[float] = set()
    for seed in range(3 if task.max_traj_length > 100 else 15):
        rewards.update(rewards_of(task, steps(task, good_actions(task), seed, 1000)))
    if name in SEEN:
        assert rewards == SEEN[name]
    if name == "mountaincarcontinuous":
        assert max(rewards) == 100.0 - 0.1


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("nim", (2, 3, 2, True), -1.0),  # more sticks than are left
        ("nim", (1, 1, 0, True), -1.0),  # the last one
        ("nim", (3, 2, 0, True), 1.0),
        ("nim", (10, 1, 6, False), 0.0),
        ("frozenlake", (14, 2, 15, True), 1.0),
        ("frozenlake", (14, 2, 10, False), 0.0),
        ("frozenlake", (1, 1, 5, True), 0.0),
        ("maze5x5", (23, 2, 24, True), 1.0),
        ("maze5x5", (23, 2, 23, False), -0.004),
        ("invertedpendulum", ([0, 0, 0, 0], [0.0], [0, 0.3, 0, 0], True), 0.0),
        ("pong", ([300, 10, 300, -5, 1], 2, [300, 5, 301, 5, 0], False), 1.0),
        ("pong", ([300, 780, 300, 5, 1], 2, [300, 785, 301, -5, 0], False), 0.0),
        ("cliffwalking", (36, 0, 36, False, {"slip_before": 1}), -100.0),
        ("cliffwalking", (36, 0, 36, False, {"slip_before": -1}), -1.0),
        ("cliffwalking", (25, 1, 36, False, {"slip_before": 1}), -100.0),
        ("cliffwalking", (35, 2, 47, True, {"slip_before": 0}), -1.0),
        ("cliffwalking", (24, 2, 36, False, {"slip_before": 0}), -1.0),
        ("noise_world_0", ([0.0] * 29, 1, [0.0, 0.25, 0.0, 0.25, *[0.0] * 25], True), 124.0),
        ("noise_world_0", ([0.0] * 29, 1, [0.0, 0.25, 0.0, 0.5, *[0.0] * 25], True), -3126.0),
        ("noise_world_6", ([0.0] * 106, 1, [0.0, 0.25, 0.0, 0.25, *[0.0] * 102], False), -1.0),
    ],
)
def test_steps_by_hand(name: str, arguments: tuple[Any, ...], expected: float) -> None:
    assert function(TASKS[name])(*arguments) == expected


@every_task
def test_the_text_is_the_function_alone(task: Task) -> None:
    assert task.reward_source.startswith("def reward(")
    assert "import" not in task.reward_source
    assert inspect.signature(function(task)).return_annotation is float
    parameters = ["obs", "action", "next_obs", "terminated", *(["hidden"] if task.hidden else [])]
    assert list(inspect.signature(function(task)).parameters) == parameters


@pytest.mark.parametrize("name", ["frozenlake", "maze", "maze5x5"])
def test_it_tells_neither_holes_nor_walls(name: str) -> None:
    source = TASKS[name].reward_source
    assert not re.search(r"hole|wall|map|passage", source)
    assert set(re.findall(r"== (\d+)", source)) == {str(read_spaces(TASKS[name].gym_id, {}).observation_size - 1)}


@here
def test_the_hidden_fields_are_those_of_the_card(task: Task) -> None:
    env = gymnasium.make(task.gym_id, disable_env_checker=True, **task.env_kwargs)
    env.reset(seed=0)
    fields = hidden_reader(task)(env)
    assert set(fields) == set(task.hidden)
    assert all(type(value) is float for value in fields.values())
    used = set(re.findall(r'hidden\["(\w+)_(?:before|after)"\]', task.reward_source))
    assert used == set(task.hidden)
    env.close()


def test_reading_hidden_fields_changes_nothing() -> None:
    task = TASKS["cliffwalking"]
    spaces = read_spaces(task.gym_id, {})
    env = gymnasium.make(task.gym_id, disable_env_checker=True)
    env.reset(seed=5)
    act = random_actions(spaces, 5)
    alone = [env.step(act(None))[0] for _ in range(100)]
    assert alone == [after for _, _, after, *_ in steps(task, random_actions(spaces, 5), 5, 100)]


def test_each_file_belongs_to_a_card() -> None:
    rewards = import_module("r2po.tasks.rewards")
    files = {path.stem for path in Path(next(iter(rewards.__path__))).glob("[!_]*.py")}
    assert files == {re.sub(r"_\d$", "", task.name) for task in WRITTEN} - {
        "pointmazelarge",
        "pointmazelargediverse",
    } | {"pointmaze"}
