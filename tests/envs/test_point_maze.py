"""The point mazes: one vector in a stated order, from Gymnasium-Robotics' own numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from r2po.envs.making import make

robotics = pytest.importorskip("gymnasium_robotics", reason="needs gymnasium_robotics: pip install 'r2po[robotics]'")

MAZES = {
    "r2po/PointMazeLarge-v3": "PointMaze_Large-v3",
    "r2po/PointMazeLargeDiverse-v3": "PointMaze_Large_Diverse_G-v3",
}


@pytest.mark.parametrize("gym_id", MAZES)
def test_it_is_the_packages_maze_flattened(gym_id: str) -> None:
    gymnasium.register_envs(robotics)
    mine: Any = make(gym_id)
    theirs: Any = gymnasium.make(MAZES[gym_id], disable_env_checker=True)
    assert mine.spec is not None
    assert mine.spec.max_episode_steps == 800
    rng = np.random.default_rng(0)
    for seed in (0, 1, 0):
        one, _ = mine.reset(seed=seed)
        other, _ = theirs.reset(seed=seed)
        for _ in range(50):
            x, y, vx, vy = other["observation"]
            assert one.tolist() == [x, y, vx, vy, *other["desired_goal"]]
            assert other["achieved_goal"].tolist() == [x, y]
            action = rng.uniform(-1, 1, 2)
            one, *mine_says = mine.step(action)
            other, *they_say = theirs.step(action)
            assert mine_says[:3] == they_say[:3]
            assert mine_says[3]["success"] is bool(they_say[3]["success"])


def test_near_the_goal_is_a_success_and_rewarded() -> None:
    env: Any = make("r2po/PointMazeLarge-v3")
    observation, _ = env.reset(seed=0)
    ball = env.unwrapped._maze.point_env
    ball.set_state(observation[4:6], np.zeros(2))
    assert env.step(np.zeros(2))[1:] == (1.0, False, False, {"success": True})


def test_a_maze_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    make("r2po/PointMazeLarge-v3").close()
    assert list(tmp_path.rglob("*.xml")) == []


def test_an_unknown_maze_is_refused() -> None:
    with pytest.raises(ValueError, match="maze must be one of large, large_diverse, not 'huge'"):
        make("r2po/PointMazeLarge-v3", maze="huge")
