"""Meta-World's tasks: the seed decides the episode, and the package's own scripted policies solve them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from r2po.envs.making import make

pytest.importorskip("metaworld", reason="needs metaworld: pip install 'r2po[robotics]'")

pytestmark = pytest.mark.filterwarnings("ignore:Constant.* may be too high")  # of the scripted policies

TASKS = {
    "r2po/PickPlace-v3": "pick-place-v3",
    "r2po/DoorOpen-v3": "door-open-v3",
    "r2po/ButtonPress-v3": "button-press-v3",
    "r2po/DrawerOpen-v3": "drawer-open-v3",
}


def scripted(task: str) -> Any:
    from metaworld.policies import ENV_POLICY_MAP

    return ENV_POLICY_MAP[task]()


def play(env: Any, policy: Any, seed: int, steps: int) -> tuple[bytes, float, bool]:
    """Return all observations, the return, and whether it was ever a success."""
    observation, info = env.reset(seed=seed)
    seen, total, success = [observation], 0.0, info["success"]
    for _ in range(steps):
        observation, reward, _, truncated, info = env.step(np.clip(policy.get_action(observation), -1, 1))
        seen.append(observation)
        total, success = total + reward, success or info["success"]
        if truncated:
            break
    return np.array(seen).tobytes(), total, success


@pytest.mark.parametrize("gym_id", TASKS)
def test_a_reused_environment_equals_a_fresh_one(gym_id: str) -> None:
    policy, env = scripted(TASKS[gym_id]), make(gym_id)
    first = play(env, policy, 1, 60)
    other = play(env, policy, 2, 25)
    assert play(env, policy, 1, 60) == first == play(make(gym_id), policy, 1, 60)
    assert other[0][:312] != first[0][:312]


@pytest.mark.parametrize("gym_id", TASKS)
def test_what_the_package_scripts_succeeds(gym_id: str) -> None:
    _, total, success = play(make(gym_id), scripted(TASKS[gym_id]), 0, 500)
    assert success is True
    assert total > 400


@pytest.mark.parametrize("gym_id", TASKS)
def test_the_goal_is_seen_and_observations_are_in_their_space(gym_id: str) -> None:
    env = make(gym_id)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 500
    goals = set()
    for seed in range(5):
        observation, info = env.reset(seed=seed)
        assert env.observation_space.contains(observation)
        assert info == {"success": False}
        goals.add(tuple(observation[-3:]))
    assert len(goals) == 5
    assert (0.0, 0.0, 0.0) not in goals
