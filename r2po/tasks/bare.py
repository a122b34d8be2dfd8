"""Environments that have no card: what can be said of them all the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gymnasium

import r2po.envs  # noqa: F401 - registers the project's own environments
from r2po.envs import making
from r2po.errors import InputError, nearest
from r2po.tasks import TASKS, carded
from r2po.tasks.spaces import Spaces, read_spaces
from r2po.tasks.task import Description, Dimension, Task

WARMUP_EPISODES = 20
STEP_SIZE = 1.0


def is_registered(gym_id: str) -> bool:
    """Return whether Gymnasium has an environment of this id. The module of an id ``module:Id`` is imported.

    Raises:
        InputError: The module is neither named by the user nor installed as a plugin, or it does not import.
    """
    return making.registered_id(gym_id) in gymnasium.registry


def unknown_environment(gym_id: str) -> InputError:
    """Return the error for an id that is not registered, with the nearest one that is."""
    carded = [task.gym_id for task in TASKS.values()]
    named = TASKS[gym_id.casefold()].gym_id if gym_id.casefold() in TASKS else ""
    hint = (
        f" (did you mean {named!r}?)" if named else nearest(gym_id, [*carded, *filter(_is_there, gymnasium.registry)])
    )
    return InputError(
        f"unknown environment {gym_id!r}{hint}; known: {', '.join(carded)}; and all others that are registered with "
        "Gymnasium"
    )


def check_card(card: Task, source: str) -> None:
    """Refuse a card from elsewhere that is for no environment, or that has the name of another one's.

    Raises:
        InputError: It is; ``source`` is what the message calls it.
    """
    if not is_registered(card.gym_id):
        raise InputError(f"{source}: gym_id: {unknown_environment(card.gym_id)}")
    if card.name in TASKS and TASKS[card.name].gym_id != card.gym_id:
        raise InputError(
            f"{source}: name is {card.name!r}, the task {TASKS[card.name].gym_id}; tables would mix it with "
            f"{card.gym_id}: give it another name"
        )


def _is_there(gym_id: str) -> bool:
    """Whether an environment is there; Gymnasium also has names that only tell what has become of it."""
    return isinstance(gymnasium.registry[gym_id].entry_point, str)


def bare_card(
    gym_id: str, env_kwargs: Mapping[str, Any], *, cap: int | None = None, optimum: float | None = None
) -> Task:
    """Return a card that describes nothing: the spaces decide the policy, Gymnasium's entry the limit and the target.

    Nobody has checked that the environment may be reused, so that each episode gets a new one.

    Args:
        gym_id: A registered id.
        env_kwargs: Arguments of the environment.
        cap: The cap on rollouts, where the environment has no limit of its own.
        optimum: The target, where Gymnasium has no threshold.

    Raises:
        InputError: The environment cannot be made, or no policy family can take its spaces.
    """
    spaces = read_spaces(gym_id, env_kwargs)
    threshold = making.spec(gym_id).reward_threshold
    return Task(
        name=slug(gym_id),
        label=gym_id,
        gym_id=gym_id,
        policy=default_policy(spaces),
        max_traj_length=spaces.episode_limit or cap,
        optimum=optimum if threshold is None else float(threshold),
        warmup_episodes=WARMUP_EPISODES,
        conservative_threshold=None,
        search_step_size=step_size(spaces),
        reuse=False,
        summary="",
        observation="" if spaces.discrete_observation else (),
        actions=(),
        reward="",
        ending="",
        env_kwargs=dict(env_kwargs),
    )


def card_for(gym_id: str) -> Task:
    """Return the card of a Gymnasium id, to be checked; of one without a card, one that describes nothing.

    Raises:
        InputError: There is no such environment, it cannot be made, or no policy family can take its spaces.
    """
    card = carded(gym_id)
    if card is None and not is_registered(gym_id):
        raise unknown_environment(gym_id)
    return card or replace(bare_card(gym_id, {}), reuse=True)


def default_policy(spaces: Spaces) -> str:
    """Return the policy family for an environment: a table for numbered states, if the actions are numbered, too."""
    return "tabular" if spaces.discrete_observation else "linear"


def step_size(spaces: Spaces) -> float | None:
    """Return the step size that prompts recommend; None for tables."""
    return None if spaces.discrete_observation else STEP_SIZE


def slug(gym_id: str, *, versioned: bool = True) -> str:
    """Return a Gymnasium id, without its module, as a short name with or without its version: ``lab_cartpole_v1``."""
    name = gym_id.rpartition(":")[2]
    text = name if versioned else re.sub(r"-v\d+$", "", name)
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def nameless(spaces: Spaces) -> Description:
    """Return the description of a task of which nothing is told, with places for names."""
    observation = tuple(Dimension(f"s[{index}]") for index in range(spaces.observation_size))
    first, count = spaces.first_action, spaces.action_size
    actions = (
        tuple(f"action {number}" for number in range(first, first + count))
        if spaces.discrete_action
        else tuple(Dimension(f"a[{index}]") for index in range(count))
    )
    return Description("", "" if spaces.discrete_observation else observation, actions, "")
