"""Environments that are made anew for each episode."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from r2po.envs.remade import Remade


class Remembers(gymnasium.Env[Any, Any]):
    """Observes how many episodes it has begun, and a number that its seed decides."""

    open = 0

    def __init__(self) -> None:
        self.observation_space, self.action_space = spaces.Box(-9, 9, (2,)), spaces.Discrete(2)
        self.episodes = 0
        type(self).open += 1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episodes += 1
        return np.array([self.episodes, self.np_random.random()]), {"options": options}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return np.array([self.episodes, action]), 1.0, False, False, {}

    def close(self) -> None:
        type(self).open -= 1


def starts(env: gymnasium.Env[Any, Any], seeds: list[int | None]) -> list[tuple[float, float]]:
    found = [env.reset(seed=seed)[0] for seed in seeds]
    return [(float(count), float(number)) for count, number in found]


def test_each_episode_is_that_of_a_new_environment() -> None:
    env = Remade(Remembers)
    first = starts(env, [5, 6, 5])
    assert [count for count, _ in first] == [1.0] * 3
    assert first[0] == first[2] != first[1]
    assert first[:1] == starts(Remembers(), [5])
    assert env.step(1)[0].tolist() == [1, 1]
    assert env.reset(options={"x": 1})[1] == {"options": {"x": 1}}


def test_the_first_seed_decides_all_episodes() -> None:
    runs = [starts(Remade(Remembers), [seed, None, None]) for seed in (5, 5, 6)]
    assert runs[0] == runs[1]
    assert len({number for run in runs[::2] for _, number in run}) == 6


def test_no_environment_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Remembers, "open", 0)
    env = Remade(Remembers)
    starts(env, [1, 2, None])
    assert Remembers.open == 1
    env.close()
    assert Remembers.open == 0
