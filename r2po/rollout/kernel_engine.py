"""The kernel engine: environments and policies compiled into one loop."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

import envs  # noqa: F401 - registers the project's own environments
from r2po.policies import Policy
from r2po.policies.forms import NetworkPolicy, TablePolicy
from r2po.rollout.kernels import KERNELS
from r2po.rollout.types import Rollout, Rollouts
from r2po.tasks.spaces import Spaces

if TYPE_CHECKING:
    from r2po.rollout.kernels.loop import Loop, Outcomes, Trajectory

LARGEST_SEED = 2**64 - 1
NO_LIMIT = sys.maxsize


def refusal(gym_id: str) -> str:
    """Return why this engine cannot run an environment, in words; "" if it can."""
    spec = gymnasium.spec(gym_id)
    if spec.entry_point not in KERNELS:
        return f"{gym_id} has no kernel"
    if spec.additional_wrappers:
        return f"{gym_id} is registered with wrappers, which its kernel does not know"
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed (pip install 'r2po[fast]')"
    return ""


class KernelEngine:
    """Rolls out policies in environments whose dynamics are compiled.

    Seeds start the same episodes as Gymnasium's ``reset(seed=...)``, and every number of an episode is, bit for bit,
    that of the reference engine. Loops are compiled when they are first needed, and kept on disk.
    """

    name = "kernel"

    def __init__(self, gym_id: str, env_kwargs: Mapping[str, Any], spaces: Spaces, *, max_steps: int) -> None:
        entry_point = gymnasium.spec(gym_id).entry_point
        assert isinstance(entry_point, str)
        module = importlib.import_module(f"r2po.rollout.kernels.{KERNELS[entry_point]}")
        environment = gymnasium.make(gym_id, disable_env_checker=True, **env_kwargs)
        try:
            self._constants = module.KERNEL.read(environment.unwrapped)
        finally:
            environment.close()
        self._kernel = module.KERNEL
        self._spaces = spaces
        self._max_steps = max_steps
        self._loops: dict[type, Loop] = {}

    def runs(self, policy: Policy) -> bool:
        """Return whether the policy has a form that can be compiled, and fits the environment."""
        spaces = self._spaces
        if isinstance(policy, TablePolicy):
            first, last = spaces.first_action, spaces.first_action + spaces.action_size - 1
            legal = (policy.actions >= first) & (policy.actions <= last)
            return spaces.discrete_observation and policy.actions.shape == (spaces.observation_size,) and legal.all()
        if not isinstance(policy, NetworkPolicy) or spaces.discrete_observation:
            return False
        network = policy.network
        inputs = len(network.hidden_weights if len(network.hidden_biases) else network.weights)
        discrete = policy.first_action is not None
        return (inputs, len(network.biases), discrete) == (
            spaces.observation_size,
            spaces.action_size,
            spaces.discrete_action,
        )

    def evaluate(self, policy: Policy, seeds: Sequence[int]) -> Rollouts:
        """Roll out ``policy`` once per seed."""
        from r2po.rollout.kernels.loop import ENDS

        outcomes = self._run(policy, seeds, self._trajectory(0))
        ends = tuple(ENDS[end] for end in outcomes.ends.tolist())
        return Rollouts(tuple(seeds), outcomes.returns, outcomes.lengths, ends, partial(self.roll_out, policy))

    def roll_out(self, policy: Policy, seed: int) -> Rollout:
        """Roll out ``policy`` from one seed, with its trajectory."""
        from r2po.rollout.kernels.loop import ENDS

        trajectory = self._trajectory(min(self._max_steps, self._spaces.episode_limit or NO_LIMIT))
        outcomes = self._run(policy, [seed], trajectory)
        length = int(outcomes.lengths[0])
        observations, actions = trajectory.observations[: length + 1], trajectory.actions[:length]
        return Rollout(
            seed=seed,
            observations=_numbers(observations) if self._spaces.discrete_observation else observations.copy(),
            actions=_numbers(actions) if self._spaces.discrete_action else actions.copy(),
            rewards=trajectory.rewards[:length].copy(),
            end=ENDS[outcomes.ends[0]],
        )

    def close(self) -> None:
        """Do nothing: no environment is kept."""

    def _run(self, policy: Policy, seeds: Sequence[int], trajectory: Trajectory) -> Outcomes:
        from r2po.rollout.kernels.loop import Outcomes, Sizes, make_loop, numbers_of

        if type(policy) not in self._loops:
            self._loops[type(policy)] = make_loop(self._kernel, policy)
        network = policy.network if isinstance(policy, NetworkPolicy) else None
        sizes = Sizes(
            state=self._kernel.state_size,
            observation=self._observation_size,
            action=self._action_size,
            hidden=0 if network is None else len(network.hidden_biases),
            scores=0 if network is None else len(network.biases),
            limit=self._spaces.episode_limit or NO_LIMIT,
            cap=self._max_steps,
        )
        count = len(seeds)
        outcomes = Outcomes(np.empty(count), np.empty(count, np.int64), np.empty(count, np.int64))
        numbers = np.array(seeds, np.uint64)
        self._loops[type(policy)](numbers, numbers_of(policy), self._constants, sizes, outcomes, trajectory)
        return outcomes

    @property
    def _observation_size(self) -> int:
        return 1 if self._spaces.discrete_observation else self._spaces.observation_size

    @property
    def _action_size(self) -> int:
        return 1 if self._spaces.discrete_action else self._spaces.action_size

    def _trajectory(self, steps: int) -> Trajectory:
        from r2po.rollout.kernels.loop import Trajectory

        observations = np.empty((steps + 1, self._observation_size))
        return Trajectory(observations, np.empty((steps, self._action_size)), np.empty(steps))


def _numbers(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the numbers of states or actions, (T, 1) float64, as (T,) int64."""
    return values[:, 0].astype(np.int64)
