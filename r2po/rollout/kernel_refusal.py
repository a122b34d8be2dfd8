"""Whether the kernel engine can run an environment on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium

from r2po.rollout.availability import compilation_refusal
from r2po.rollout.kernels import KERNELS
from r2po.rollout.probe import reproduces_gymnasium

EPISODES = 8
STEPS = 30


def refusal(gym_id: str, env_kwargs: Mapping[str, Any]) -> str:
    """Return why the kernel engine cannot run an environment with these arguments, in words; "" if it can."""
    spec = gymnasium.spec(gym_id)
    if spec.entry_point not in KERNELS:
        return f"{gym_id} has no kernel"
    if spec.additional_wrappers:
        return f"{gym_id} is registered with wrappers, which its kernel does not support"
    reason = compilation_refusal()
    if reason:
        return reason
    from r2po.rollout.kernel_engine import KernelEngine  # numba is there

    if reproduces_gymnasium(KernelEngine, gym_id, env_kwargs, range(EPISODES), STEPS):
        return ""
    return f"the kernel of {gym_id} does not reproduce Gymnasium {gymnasium.__version__} on this machine"
