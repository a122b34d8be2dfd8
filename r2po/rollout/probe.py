"""Whether a compiled engine gives Gymnasium's numbers on this machine: versions and arithmetic differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from r2po.policies.forms import NetworkPolicy, TablePolicy, make_network
from r2po.rollout.compiled_engine import CompiledEngine
from r2po.rollout.gymnasium_engine import GymnasiumEngine
from r2po.rollout.types import Rollout
from r2po.tasks.spaces import Spaces, read_spaces


def reproduces_gymnasium(
    make: Callable[..., CompiledEngine], gym_id: str, env_kwargs: Mapping[str, Any], seeds: Iterable[int], steps: int
) -> bool:
    """Return whether an engine's episodes of so many steps equal Gymnasium's, with a random policy for each seed."""
    spaces = read_spaces(gym_id, env_kwargs)
    engine = make(gym_id, env_kwargs, spaces, max_steps=steps)
    reference = GymnasiumEngine(gym_id, env_kwargs, spaces, max_steps=steps)
    rng = np.random.default_rng(0)
    try:
        for seed in seeds:
            policy = _random_policy(spaces, rng)
            if not _equal(engine.roll_out(policy, seed), reference.roll_out(policy, seed)):
                return False
    finally:
        reference.close()
    return True


def _random_policy(spaces: Spaces, rng: np.random.Generator) -> NetworkPolicy | TablePolicy:
    if spaces.discrete_observation:
        actions = rng.integers(spaces.action_size, size=spaces.observation_size) + spaces.first_action
        return TablePolicy(actions)
    weights = rng.normal(size=(spaces.observation_size, spaces.action_size))
    first_action = spaces.first_action if spaces.discrete_action else None
    return NetworkPolicy(make_network(weights, rng.normal(size=spaces.action_size)), first_action)


def _equal(one: Rollout, other: Rollout) -> bool:
    return one.end == other.end and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("observations", "actions", "rewards")
    )
