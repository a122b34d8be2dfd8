"""What a policy needs to know of an environment's spaces."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
from gymnasium import spaces

from r2po.envs import making
from r2po.errors import InputError, nearest, unknown

REFUSALS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What constructors are known to raise for arguments that they cannot use."""


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
    """

    discrete_observation: bool
    observation_size: int
    discrete_action: bool
    action_size: int
    first_action: int
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    episode_limit: int | None


def read_spaces(gym_id: str, env_kwargs: Mapping[str, Any]) -> Spaces:
    """Make an environment, read its spaces and close it.

    Raises:
        InputError: The id is not registered, the environment needs an extra that is not installed or refuses
            ``env_kwargs``, or a space is neither discrete nor a vector.
    """
    _check_names(gym_id, env_kwargs)
    try:
        environment = making.make(gym_id, **env_kwargs)
    except (*REFUSALS, ImportError, OSError, gymnasium.error.Error) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"cannot make {gym_id!r} with env_kwargs {dict(env_kwargs)}: {type(error).__name__}: {reason}"
        ) from error
    try:
        return _spaces_of(environment)
    finally:
        environment.close()


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


def _spaces_of(environment: gymnasium.Env[Any, Any]) -> Spaces:
    observation, action = environment.observation_space, environment.action_space
    discrete_observation = isinstance(observation, spaces.Discrete)
    low, high = _bounds(action)
    return Spaces(
        discrete_observation=discrete_observation,
        observation_size=_size("observation", observation),
        discrete_action=isinstance(action, spaces.Discrete),
        action_size=_size("action", action),
        first_action=int(action.start) if isinstance(action, spaces.Discrete) else 0,
        action_low=low,
        action_high=high,
        episode_limit=environment.spec.max_episode_steps if environment.spec else None,
    )


def _size(kind: str, space: gymnasium.Space[Any]) -> int:
    """Return the number of values of a discrete space, or the length of a vector."""
    if isinstance(space, spaces.Discrete) and (kind == "action" or space.start == 0):
        return int(space.n)
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return space.shape[0]
    raise InputError(f"unsupported {kind} space {space}: expected numbered {kind}s or a vector of real numbers")


def _bounds(action: gymnasium.Space[Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not isinstance(action, spaces.Box):
        return (), ()
    return tuple(float(bound) for bound in action.low.flat), tuple(float(bound) for bound in action.high.flat)
