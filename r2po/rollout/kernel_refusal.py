"""Whether the kernel engine can run an environment on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from r2po.policies.forms import NetworkPolicy, TablePolicy, make_network
from r2po.rollout.availability import compilation_refusal
from r2po.rollout.gymnasium_engine import GymnasiumEngine
from r2po.rollout.kernels import KERNELS
from r2po.rollout.types import Engine, Rollout
from r2po.tasks.spaces import Spaces, read_spaces

EPISODES = 8
STEPS = 30


def refusal(gym_id: str, env_kwargs: Mapping[str, Any]) -> str:
    """Return why the kernel engine cannot run an environment with these arguments, in words; "" if it can.

    Versions of Gymnasium and the arithmetic of machines differ, so the last question is whether a few short episodes
    equal Gymnasium's.
    """
    spec = gymnasium.spec(gym_id)
    if spec.entry_point not in KERNELS:
        return f"{gym_id} has no kernel"
    if spec.additional_wrappers:
        return f"{gym_id} is registered with wrappers, which its kernel does not know"
    reason = compilation_refusal()
    if reason:
        return reason
    from r2po.rollout.kernel_engine import KernelEngine  # numba is there

    spaces = read_spaces(gym_id, env_kwargs)
    reference = GymnasiumEngine(gym_id, env_kwargs, spaces, max_steps=STEPS)
    try:
        same = _agree(KernelEngine(gym_id, env_kwargs, spaces, max_steps=STEPS), reference, spaces)
    finally:
        reference.close()
    return (
        "" if same else f"the kernel of {gym_id} does not reproduce Gymnasium {gymnasium.__version__} on this machine"
    )


def _agree(engine: Engine, reference: Engine, spaces: Spaces) -> bool:
    rng = np.random.default_rng(0)
    for seed in range(EPISODES):
        policy = _random_policy(spaces, rng)
        if not _equal(engine.roll_out(policy, seed), reference.roll_out(policy, seed)):
            return False
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
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("observations", "actions", "rewards")
    )
