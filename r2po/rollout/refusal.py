"""Why a compiled engine cannot be used on this machine: numba, versions and arithmetic differ."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gymnasium
import numpy as np

from r2po.envs import making
from r2po.installation import install
from r2po.policies.forms import CompiledForm, NetworkPolicy, TablePolicy, make_network
from r2po.rollout.compiled_engine import CompiledEngine
from r2po.rollout.gymnasium_engine import GymnasiumEngine
from r2po.rollout.kernels import KERNELS
from r2po.rollout.types import Rollout
from r2po.tasks.spaces import Spaces, read_spaces

KERNEL_SEEDS, KERNEL_STEPS = range(8), 30


def kernel_refusal(gym_id: str, env_kwargs: Mapping[str, Any]) -> str:
    """Return why the kernel engine cannot run an environment with these arguments, in words; "" if it can."""
    spec = making.spec(gym_id)
    if spec.entry_point not in KERNELS:
        return f"{gym_id} has no kernel"
    if spec.additional_wrappers:
        return f"{gym_id} is registered with wrappers, which its kernel does not support"
    reason = compilation_refusal()
    if reason:
        return reason
    from r2po.rollout.kernel_engine import KernelEngine  # numba is there

    if reproduces_gymnasium(KernelEngine, gym_id, env_kwargs, KERNEL_SEEDS, KERNEL_STEPS):
        return ""
    return f"the kernel of {gym_id} does not reproduce Gymnasium {gymnasium.__version__} on this machine"


def compilation_refusal() -> str:
    """Return why nothing can be compiled on this machine; "" if functions can. Numba is loaded only if it is there."""
    if importlib.util.find_spec("numba") is None:
        return f"numba is not installed ({install('fast')})"
    try:
        from r2po.rollout.compilation import is_disabled
    except Exception as error:  # noqa: BLE001 - a numba that does not fit the NumPy beside it raises what it likes
        return f"numba cannot be imported: {' '.join(str(error).split()) or type(error).__name__}"
    return "NUMBA_DISABLE_JIT is set" if is_disabled() else ""


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


def _random_policy(spaces: Spaces, rng: np.random.Generator) -> CompiledForm:
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
