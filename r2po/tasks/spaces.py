"""What a policy needs to know of an environment's spaces."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from r2po.envs import making
from r2po.envs.flattened import flattened, is_flattenable, part_names
from r2po.errors import InputError, nearest, unknown

REFUSALS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What constructors are known to raise for arguments that they cannot use."""

LONGEST = 120
"""Characters of a space in a message."""


@dataclass(frozen=True)
class Spaces:
    """The observation and action space of an environment.

    Attributes:
        discrete_observation: Observations are state numbers from 0, not vectors.
        observation_size: Number of states, or dimensions of the observation vector.
        discrete_action: Actions are numbers, not vectors.
        action_size: Number of actions, or dimensions of the action vector.
        first_action: Number of the first discrete action; 0 for vectors.
        action_low: Lower bound per action dimension; empty for discrete actions.
        action_high: Upper bound per action dimension; empty for discrete actions.
        episode_limit: Steps after which the environment itself truncates, or None.
        parts: What each number of a flattened observation is in the environment's own; empty if it is not flattened.
    """

    discrete_observation: bool
    observation_size: int
    discrete_action: bool
    action_size: int
    first_action: int
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    episode_limit: int | None
    parts: tuple[str, ...] = ()


def read_spaces(gym_id: str, env_kwargs: Mapping[str, Any], *, flatten: bool = False) -> Spaces:
    """Make an environment, read its spaces and close it; with ``flatten``, observations count as one vector.

    Raises:
        InputError: The id is not registered, the environment needs an extra that is not installed or refuses
            ``env_kwargs``, or a space is neither discrete nor a vector.
    """
    environment = make_environment(gym_id, env_kwargs)
    try:
        return spaces_of(environment, flatten=flatten)
    finally:
        environment.close()


def make_environment(gym_id: str, env_kwargs: Mapping[str, Any]) -> gymnasium.Env[Any, Any]:
    """Make an environment.

    Raises:
        InputError: The id is not registered, or the environment needs an extra that is not installed or refuses
            ``env_kwargs``.
    """
    _check_names(gym_id, env_kwargs)
    try:
        return making.make(gym_id, **env_kwargs)
    except (*REFUSALS, ImportError, OSError, gymnasium.error.Error) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"cannot make {gym_id!r} with env_kwargs {dict(env_kwargs)}: {type(error).__name__}: {reason}"
        ) from error


def _check_names(gym_id: str, env_kwargs: Mapping[str, Any]) -> None:
    """Refuse an unknown id, code that cannot be imported, and argument names that the environment does not have."""
    try:
        creator = making.creator_of(gym_id)
    except InputError:
        raise
    except Exception as error:  # whatever the code of an environment raises
        if isinstance(error, gymnasium.error.Error) and not isinstance(error, gymnasium.error.DependencyNotInstalled):
            hint = nearest(gym_id, gymnasium.registry)
            raise InputError(f"unknown environment {gym_id!r}{hint}: not registered with Gymnasium") from error
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(f"cannot import the code of {gym_id!r}: {type(error).__name__}: {reason}") from error
    parameters = inspect.signature(creator).parameters if creator else {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    known = [*parameters, "max_episode_steps"]
    for name in env_kwargs:
        if name not in known:
            raise unknown(f"argument of {gym_id}", name, known)


def spaces_of(environment: gymnasium.Env[Any, Any], *, flatten: bool = False) -> Spaces:
    """Return the spaces of an environment as it is, or with flattened observations.

    Raises:
        InputError: A space is neither discrete nor a vector.
    """
    parts: tuple[str, ...] = ()
    if flatten:
        if not is_flattenable(environment.observation_space):
            raise InputError(
                f"flatten is true, and the observation space {_told(environment.observation_space)} is more "
                "than numbers, vectors and tables of numbers"
            )
        parts = tuple(part_names(environment.observation_space))
        environment = flattened(environment)
    observation, action = environment.observation_space, environment.action_space
    discrete_observation = isinstance(observation, spaces.Discrete)
    low, high = _bounds(action)
    return Spaces(
        discrete_observation=discrete_observation,
        observation_size=_observation_size(observation),
        discrete_action=isinstance(action, spaces.Discrete),
        action_size=_action_size(action),
        first_action=int(action.start) if isinstance(action, spaces.Discrete) else 0,
        action_low=low,
        action_high=high,
        episode_limit=environment.spec.max_episode_steps if environment.spec else None,
        parts=parts,
    )


def _observation_size(space: gymnasium.Space[Any]) -> int:
    """Return the number of states, or the length of a vector."""
    if isinstance(space, spaces.Discrete) and space.start == 0:
        return int(space.n)
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return space.shape[0]
    if is_flattenable(space):
        size = spaces.flatdim(space)
        hint = f"; a task card with flatten: true makes it a vector of {size} numbers"
        numbered = " that count from 0" if isinstance(space, spaces.Discrete) else ""
    else:
        hint, numbered = "", ""
    raise InputError(
        f"unsupported observation space {_told(space)}: expected numbered states{numbered} or a vector of real numbers"
        f"{hint}"
    )


def _action_size(space: gymnasium.Space[Any]) -> int:
    """Return the number of actions, or the length of a vector; its bounds may be infinite."""
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.Box) and len(space.shape) == 1 and np.issubdtype(space.dtype, np.floating):
        return space.shape[0]
    raise InputError(
        f"unsupported action space {_told(space)}: expected numbered actions or a vector of real numbers; no policy "
        "gives others"
    )


def _told(space: gymnasium.Space[Any]) -> str:
    """Write a space in one short line."""
    text = " ".join(str(space).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _bounds(action: gymnasium.Space[Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not isinstance(action, spaces.Box):
        return (), ()
    return tuple(float(bound) for bound in action.low.flat), tuple(float(bound) for bound in action.high.flat)
