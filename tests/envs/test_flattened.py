"""Observations of several parts as one vector."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from r2po.envs.flattened import flattened, is_flattenable, part_names


class Parts(gymnasium.Env[Any, Any]):
    """Observes what it is given."""

    def __init__(self, space: gymnasium.Space[Any], observation: Any) -> None:
        self.observation_space, self.action_space = space, spaces.Discrete(2)
        self._observation = observation

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self._observation, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self._observation, 1.0, True, False, {}


TABLE = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


@pytest.mark.parametrize(
    ("space", "observation", "vector", "names"),
    [
        (
            spaces.Dict({"place": spaces.Box(-1, 1, (2,)), "goal": spaces.Discrete(3, start=1)}),
            {"place": np.array([0.25, -0.5], np.float32), "goal": 2},
            [0, 1, 0, 0.25, -0.5],  # a Dict sorts its keys
            ["goal is 1", "goal is 2", "goal is 3", "place[0]", "place[1]"],
        ),
        (
            spaces.Tuple([spaces.Discrete(2), spaces.Dict({"x": spaces.Box(0, 9, (), dtype=np.float64)})]),
            (1, {"x": np.array(7.5)}),
            [0, 1, 7.5],
            ["[0] is 0", "[0] is 1", "[1].x"],
        ),
        (spaces.Box(0, 9, (2, 2)), TABLE, [1, 2, 3, 4], ["[0, 0]", "[0, 1]", "[1, 0]", "[1, 1]"]),
        (spaces.MultiBinary(3), np.array([1, 0, 1], np.int8), [1, 0, 1], ["[0]", "[1]", "[2]"]),
        (
            spaces.MultiDiscrete([2, 3]),
            np.array([1, 2]),
            [0, 1, 0, 0, 1],
            ["[0] is 0", "[0] is 1", "[1] is 0", "[1] is 1", "[1] is 2"],
        ),
    ],
)
def test_known_vectors(space: gymnasium.Space[Any], observation: Any, vector: list[float], names: list[str]) -> None:
    env = flattened(Parts(space, observation))
    assert is_flattenable(space)
    for seen in (env.reset(seed=1)[0], env.step(0)[0]):
        assert np.asarray(seen, np.float64).tolist() == vector
    assert env.observation_space.shape == (len(vector),)
    assert part_names(space) == names


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 255, (8, 8, 3), dtype=np.uint8),
        spaces.Text(5),
        spaces.Sequence(spaces.Discrete(2)),
        spaces.Dict({"x": spaces.Box(0, 1, (1,)), "camera": spaces.Box(0, 1, (8, 8, 3))}),
        spaces.Tuple([spaces.Discrete(2), spaces.Text(5)]),
    ],
)
def test_images_texts_and_lists_of_any_length_are_not_supported(space: gymnasium.Space[Any]) -> None:
    assert not is_flattenable(space)


leaves = st.one_of(
    st.integers(1, 4).map(spaces.Discrete),
    st.lists(st.integers(0, 3), max_size=2).map(lambda shape: spaces.Box(-1, 1, tuple(shape))),
    st.lists(st.integers(1, 3), min_size=1, max_size=3).map(spaces.MultiDiscrete),
    st.integers(1, 4).map(spaces.MultiBinary),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(spaces.Tuple),
        st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(spaces.Dict),
    ),
    max_leaves=6,
)


@given(trees)
def test_there_is_a_name_for_each_number_and_no_two_are_alike(space: gymnasium.Space[Any]) -> None:
    assert is_flattenable(space)
    names = part_names(space)
    assert len(set(names)) == len(names) == spaces.flatdim(space)
