"""Drafts of task cards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from r2po.errors import InputError
from r2po.tasks import TASKS, card_of, read_card
from r2po.tasks.bare import slug
from r2po.tasks.draft import Draft, as_yaml, draft
from r2po.tasks.fitting import misfit
from r2po.tasks.task import Dimension


class Lab(gymnasium.Env[Any, Any]):
    """Has the spaces that it is given."""

    def __init__(self, observation: gymnasium.Space[Any], action: gymnasium.Space[Any]) -> None:
        self.observation_space, self.action_space = observation, action


@pytest.fixture
def lab() -> Iterator[str]:
    gymnasium.register("lab/Rig-v3", cast("Any", Lab), max_episode_steps=30, reward_threshold=-2)
    yield "lab/Rig-v3"
    gymnasium.registry.pop("lab/Rig-v3")


@pytest.mark.parametrize("gym_id", ["CartPole-v1", "Acrobot-v1", "Pendulum-v1", "Hopper-v5", "Reacher-v5"])
def test_the_docstring_names_what_its_tables_list(gym_id: str) -> None:
    card = draft(gym_id, {}).card
    assert not any("TODO" in entry.name for entry in card.observation if isinstance(entry, Dimension))
    assert card.unfinished == ["summary", *(["actions"] if gym_id == "CartPole-v1" else []), "reward", "ending"]


@pytest.mark.parametrize("gym_id", ["Ant-v5", "CliffWalking-v1", "maze-random-v0"])
def test_a_table_that_does_not_fit_names_nothing(gym_id: str) -> None:
    assert "observation" in draft(gym_id, {}).card.unfinished


def test_a_draft_says_what_gymnasium_knows() -> None:
    card = draft("Acrobot-v1", {}).card
    assert (card.name, card.label, card.policy) == ("acrobot", "Acrobot", "linear")
    assert (card.max_traj_length, card.optimum, card.conservative_threshold) == (500, -100.0, -105.0)
    assert card.observation[4] == Dimension("Angular velocity of theta1", "-12.5664 to 12.5664")
    assert card.actions[1] == "apply 0 torque to the actuated joint (N m)"
    assert draft("Pendulum-v1", {"g": 9.81}).card.env_kwargs == {"g": 9.81}


def test_what_nobody_knows_is_open() -> None:
    text = as_yaml(draft("CliffWalking-v1", {}))
    entries = yaml.safe_load(text)
    assert [entries[key] for key in ("max_traj_length", "optimum", "conservative_threshold")] == ["TODO"] * 3
    assert entries["search_step_size"] is None
    assert card_of(entries, "test").max_traj_length is None
    assert "#   Each time step incurs -1 reward" in text.split("\nreward: ")[0]


@pytest.mark.parametrize("gym_id", ["Acrobot-v1", "Pendulum-v1", "CliffWalking-v1", "Blackjack-v1", "Nim-v0"])
def test_the_file_of_a_draft_is_its_card(gym_id: str, tmp_path: Path) -> None:
    drafted = draft(gym_id, {"render_mode": None})
    (tmp_path / "card.yaml").write_text(as_yaml(drafted), encoding="utf-8")
    assert read_card(tmp_path / "card.yaml") == drafted.card
    assert misfit(drafted.card, drafted.spaces) == ""


ACROBOT = cache(partial(draft, "Acrobot-v1", {}))


@given(st.dictionaries(st.sampled_from(["summary", "reward", "ending"]), st.text()), st.text())
def test_whatever_a_docstring_says_the_file_is_the_card(says: dict[str, str], name: str) -> None:
    drafted = ACROBOT()
    printable = "".join(each for each in name if each.isprintable())
    card = replace(drafted.card, summary=f"TODO: {printable}")
    text = as_yaml(Draft(card, drafted.spaces, says))
    assert card_of(yaml.safe_load(text), "test") == card


@pytest.mark.parametrize(
    ("observation", "action", "policy", "flatten", "size", "first"),
    [
        (spaces.Box(-1, np.inf, (2,)), spaces.Discrete(2), "linear", False, 2, "at least -1"),
        (spaces.Box(-np.inf, 3, (2,)), spaces.Discrete(2), "linear", False, 2, "at most 3"),
        (spaces.Box(-np.inf, np.inf, (2,)), spaces.Box(-1, 1, (2,)), "linear", False, 2, "unbounded"),
        (
            spaces.Dict({"x": spaces.Box(0, 1, (2,)), "y": spaces.Discrete(2)}),
            spaces.Discrete(2),
            "linear",
            True,
            4,
            "0 to 1",
        ),
        (spaces.Box(0, 1, (2, 3)), spaces.Discrete(2), "linear", True, 6, "0 to 1"),
        (spaces.Discrete(4), spaces.Box(-1, 1, (1,)), "linear", True, 4, "0 to 1"),
        (spaces.Discrete(4, start=2), spaces.Discrete(2), "linear", True, 4, "0 to 1"),
        (spaces.Discrete(4), spaces.Discrete(2, start=1), "tabular", False, 4, ""),
    ],
)
def test_spaces_decide_policy_flattening_and_ranges(
    observation: Any, action: Any, policy: str, flatten: bool, size: int, first: str, lab: str
) -> None:
    drafted = draft(lab, {"observation": observation, "action": action})
    card = drafted.card
    assert (card.policy, card.flatten, drafted.spaces.observation_size) == (policy, flatten, size)
    assert misfit(card, drafted.spaces) == ""
    assert not first or card.observation[0].range == first  # type: ignore[union-attr]
    if isinstance(action, spaces.Discrete):
        assert card.actions[0] == f"TODO: action {action.start}"
    assert (card.name, card.label, card.optimum, card.conservative_threshold) == ("lab_rig", "Rig", -2.0, -2.1)


@pytest.mark.parametrize(
    ("observation", "action", "named"),
    [
        (spaces.Box(0, 255, (8, 8, 3), dtype=np.uint8), spaces.Discrete(2), "observation space Box(0, 255, (8, 8, 3)"),
        (spaces.Discrete(2), spaces.MultiDiscrete([2, 2]), "action space MultiDiscrete([2 2])"),
        (spaces.Discrete(2), spaces.MultiBinary(2), "action space MultiBinary(2)"),
        (spaces.Discrete(2), spaces.Box(0, 9, (2,), dtype=np.int64), "action space Box(0, 9, (2,), int64)"),
        (spaces.Text(4), spaces.Discrete(2), "observation space Text("),
    ],
)
def test_spaces_that_no_policy_takes_are_named(observation: Any, action: Any, named: str, lab: str) -> None:
    with pytest.raises(InputError) as refused:
        draft(lab, {"observation": observation, "action": action})
    assert f"unsupported {named}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_names_are_short_and_not_those_of_other_environments() -> None:
    assert slug("r2po/NoiseWorld0-v0") == "r2po_noiseworld0_v0"
    assert slug("lab/Cart Pole-v1", versioned=False) == "lab_cart_pole"
    assert draft("CliffWalking-v1", {}).card.name == "cliffwalking_v1"
    assert TASKS["cliffwalking"].gym_id != "CliffWalking-v1"


def test_a_card_must_fit_the_spaces() -> None:
    drafted = draft("Pendulum-v1", {})
    card, fitting = drafted.card, drafted.spaces
    table = draft("CliffWalking-v1", {})
    assert misfit(replace(card, observation=card.observation[:2]), fitting) == (
        "observation lists 2 numbers; Pendulum-v1 observes 3"
    )
    assert "observation is one text" in misfit(replace(card, observation="a state"), fitting)
    assert "observation is a list" in misfit(replace(table.card, observation=card.observation), table.spaces)
    assert misfit(replace(card, actions=()), fitting) == "actions lists 0; Pendulum-v1 takes 1 numbers of an action"
    assert "actions must be numbers, each with name and range" in misfit(replace(card, actions=("push",)), fitting)
    assert misfit(replace(card, summary="", observation=(), actions=(), reward=""), fitting) == ""
