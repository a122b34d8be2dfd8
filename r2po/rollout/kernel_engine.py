"""The kernel engine: environments and policies compiled into one loop. Importing it needs numba."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import r2po.envs  # noqa: F401 - registers the project's own environments
from r2po.envs.making import make, spec
from r2po.policies.forms import CompiledForm
from r2po.rollout.compiled_engine import CompiledEngine, Outcomes, Seeds, Trajectory
from r2po.rollout.kernels import KERNELS
from r2po.rollout.kernels.kernel import Kernel
from r2po.rollout.kernels.loop import play
from r2po.signals import deferred
from r2po.tasks.spaces import Spaces


class KernelEngine(CompiledEngine):
    """Rolls out policies in environments whose dynamics are compiled.

    A seed starts the same episode as Gymnasium's ``reset(seed=...)``, and every number of an episode is, bit for bit,
    that of the reference engine. Loops are compiled when they are first needed, and kept on disk.
    """

    name = "kernel"

    def __init__(self, gym_id: str, env_kwargs: Mapping[str, Any], spaces: Spaces, *, max_steps: int) -> None:
        super().__init__(spaces, max_steps)
        entry_point = spec(gym_id).entry_point
        assert isinstance(entry_point, str)
        module = importlib.import_module(f"r2po.rollout.kernels.{KERNELS[entry_point]}")
        self._kernel: Kernel = module.KERNEL
        environment = make(gym_id, **env_kwargs)
        self._constants = self._kernel.read(environment.unwrapped)
        environment.close()

    def _run(self, policy: CompiledForm, seeds: Seeds, outcomes: Outcomes, trajectory: Trajectory) -> None:
        with deferred():  # a loop that is needed for the first time is compiled
            play(self._kernel, policy, seeds, self._constants, self._limits, outcomes, trajectory)
