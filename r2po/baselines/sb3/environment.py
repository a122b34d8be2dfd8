"""The environments as networks see them: states one-hot, numbered actions from 0, observations normalised if wanted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces as gym_spaces
from gymnasium.wrappers import RecordEpisodeStatistics, TransformAction, TransformObservation
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from r2po.baselines.sb3.config import SB3Config
from r2po.envs.flattened import flattened
from r2po.envs.making import make
from r2po.envs.remade import Remade
from r2po.policies.policy import Array, FunctionPolicy, Policy
from r2po.tasks.spaces import Spaces


def make_environments(
    config: SB3Config, spaces: Spaces, count: int, normalization: Mapping[str, Any] | None
) -> DummyVecEnv | VecNormalize:
    """Make ``count`` training environments that are stepped together; ``spaces`` are those of the bare environment.

    ``normalization`` are arguments of ``VecNormalize``; None if nothing is normalised.
    """
    together = DummyVecEnv([partial(_make_one, config, spaces)] * count)
    return together if normalization is None else VecNormalize(together, **normalization)


def _make_one(config: SB3Config, spaces: Spaces) -> gymnasium.Env[Any, Any]:
    made: partial[gymnasium.Env[Any, Any]] = partial(
        make,
        config.gym_env_name,
        **{**config.training_kwargs, "max_episode_steps": config.episode_limit(spaces)},
    )
    bare = made() if config.task.reuse else Remade(made)
    env: gymnasium.Env[Any, Any] = RecordEpisodeStatistics(flattened(bare) if config.task.flatten else bare)
    if spaces.discrete_observation:
        box = gym_spaces.Box(0.0, 1.0, (spaces.observation_size,), np.float32)
        env = TransformObservation(env, partial(one_hot, states=spaces.observation_size), box)
    if spaces.first_action:
        numbered = gym_spaces.Discrete(spaces.action_size)
        env = TransformAction(env, lambda action: int(action) + spaces.first_action, numbered)
    return env


def one_hot(state: Any, states: int) -> Array:
    """Return (states,) or, for a batch of B, (B, states) float32 with a 1 at each state's number."""
    encoded: Array = np.eye(states, dtype=np.float32)[state]
    return encoded


def player(model: BaseAlgorithm, spaces: Spaces, normalizer: VecNormalize | None, *, deterministic: bool) -> Policy:
    """Return the model as a policy on bare observations, normalised by the statistics of its training."""

    def play(observations: Array) -> Array:
        seen = one_hot(observations, spaces.observation_size) if spaces.discrete_observation else observations
        if normalizer is not None:
            normalized = normalizer.normalize_obs(seen)
            assert isinstance(normalized, np.ndarray)
            seen = normalized
        actions = model.predict(seen, deterministic=deterministic)[0]
        return actions + spaces.first_action if spaces.discrete_action else actions.astype(np.float64)

    return FunctionPolicy(play)


def statistics(normalizer: VecNormalize) -> dict[str, Any]:
    """Return what a normaliser does to observations, as plain numbers."""
    record = {"norm_obs": normalizer.norm_obs, "clip_obs": normalizer.clip_obs, "epsilon": normalizer.epsilon}
    if not normalizer.norm_obs:
        return record
    seen: Any = normalizer.obs_rms  # a dictionary only for environments whose observations are one
    return {**record, "mean": seen.mean.tolist(), "var": seen.var.tolist(), "count": float(seen.count)}
