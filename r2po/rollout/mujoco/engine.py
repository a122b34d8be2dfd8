"""The MuJoCo engine: whole episodes in compiled code that calls MuJoCo itself, spread over cores if they are many."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from r2po.policies import Policy
from r2po.policies.forms import Network, NetworkPolicy, make_network
from r2po.rollout.availability import compilation_refusal
from r2po.rollout.gymnasium_engine import GymnasiumEngine
from r2po.rollout.mujoco.task import read_task, refused_setting
from r2po.rollout.types import Rollout, Rollouts
from r2po.tasks.spaces import Spaces, read_spaces

if TYPE_CHECKING:
    from r2po.rollout.kernels.loop import Outcomes, Trajectory
    from r2po.rollout.mujoco.library import Simulation

# With fewer episodes per thread, waking it is not worth it.
_EPISODES_PER_THREAD = 20
_PARTS_PER_THREAD, _LARGEST_PART = 8, 20

_PROBE_SEEDS, _PROBE_STEPS = (0, 2**63 - 1), 20


def refusal(gym_id: str, env_kwargs: Mapping[str, Any]) -> str:
    """Return why this engine cannot run an environment with these arguments, in words; "" if it can.

    Versions and machines differ, so the last question is whether a few steps equal Gymnasium's.
    """
    reason = refused_setting(gym_id, env_kwargs) or compilation_refusal()
    if reason:
        return reason
    from r2po.rollout.mujoco.library import refused_library

    return refused_library() or _refused_results(gym_id, env_kwargs)


class MujocoEngine:
    """Rolls out networks in InvertedPendulum-v5, InvertedDoublePendulum-v5 and Swimmer-v5, bit for bit as Gymnasium.

    Evaluations of many episodes use ``threads`` threads, one simulation each; by default one per core of the process.
    """

    name = "mujoco"

    def __init__(
        self,
        gym_id: str,
        env_kwargs: Mapping[str, Any],
        spaces: Spaces,
        *,
        max_steps: int,
        threads: int | None = None,
    ) -> None:
        from r2po.rollout.mujoco.library import ignore_warnings

        ignore_warnings()
        self._spaces = spaces
        self._threads = _cores() if threads is None else threads
        environment = gymnasium.make(gym_id, disable_env_checker=True, **env_kwargs)
        base: Any = environment.unwrapped
        self._task = read_task(environment, max_steps)
        self._model, self._initial = base.model, (base.init_qpos, base.init_qvel)
        environment.close()
        # One per thread. Compiled code holds only addresses in the model and in them.
        self._data: list[Any] = []
        self._simulations: list[Simulation] = []

    def runs(self, policy: Policy) -> bool:
        """Return whether the policy is a network from the observations to the actions of this environment."""
        if not isinstance(policy, NetworkPolicy) or policy.first_action is not None:
            return False
        network, inputs, outputs = policy.network, self._spaces.observation_size, self._spaces.action_size
        hidden = len(network.hidden_biases)
        return (
            network.weights.shape == (hidden or inputs, outputs)
            and (hidden == 0 or network.hidden_weights.shape == (inputs, hidden))
            and all(row.shape == (outputs,) for row in (network.biases, network.low, network.high))
        )

    def evaluate(self, policy: Policy, seeds: Sequence[int]) -> Rollouts:
        """Roll out ``policy``, one that it ``runs``, once per seed below 2**64."""
        from r2po.rollout.kernels.loop import ENDS

        outcomes = self._run(_network(policy), seeds, self._trajectory(0))
        ends = tuple(ENDS[end] for end in outcomes.ends.tolist())
        return Rollouts(tuple(seeds), outcomes.returns, outcomes.lengths, ends, partial(self.roll_out, policy))

    def roll_out(self, policy: Policy, seed: int) -> Rollout:
        """Roll out ``policy`` from one seed, with its trajectory."""
        from r2po.rollout.kernels.loop import ENDS

        trajectory = self._trajectory(self._task.horizon)
        outcomes = self._run(_network(policy), [seed], trajectory)
        length = int(outcomes.lengths[0])
        return Rollout(
            seed=seed,
            observations=trajectory.observations[: length + 1].copy(),
            actions=trajectory.actions[:length].copy(),
            rewards=trajectory.rewards[:length].copy(),
            end=ENDS[outcomes.ends[0]],
        )

    def close(self) -> None:
        """Free the simulations; the next rollout makes new ones."""
        self._simulations.clear()
        self._data.clear()

    def _run(self, network: Network, seeds: Sequence[int], trajectory: Trajectory) -> Outcomes:
        from r2po.rollout.kernels.loop import Outcomes
        from r2po.rollout.mujoco.episodes import run_episodes

        numbers, count = np.array(seeds, np.uint64), len(seeds)
        outcomes = Outcomes(np.empty(count), np.empty(count, np.int64), np.empty(count, np.int64))
        threads = max(1, min(self._threads, count // _EPISODES_PER_THREAD))
        parts = _parts(count, threads)

        def work(simulation: Simulation) -> None:
            for part in parts:
                mine = Outcomes(outcomes.returns[part], outcomes.lengths[part], outcomes.ends[part])
                run_episodes(simulation, self._task, network, numbers[part], mine, trajectory)

        simulations = self._prepare(threads)
        if threads == 1:
            work(simulations[0])
        else:
            with ThreadPoolExecutor(threads) as pool:
                try:
                    list(pool.map(work, simulations))
                finally:
                    # After an interruption, threads find nothing more to do.
                    deque(parts, maxlen=0)
        return outcomes

    def _prepare(self, count: int) -> Sequence[Simulation]:
        from r2po.rollout.mujoco.library import make_simulation

        while len(self._simulations) < count:
            simulation, data = make_simulation(self._model, *self._initial)
            self._simulations.append(simulation)
            self._data.append(data)
        return self._simulations[:count]

    def _trajectory(self, steps: int) -> Trajectory:
        from r2po.rollout.kernels.loop import Trajectory

        observations = np.empty((steps + 1, self._spaces.observation_size))
        return Trajectory(observations, np.empty((steps, self._spaces.action_size)), np.empty(steps))


def _network(policy: Policy) -> Network:
    assert isinstance(policy, NetworkPolicy)
    return policy.network


def _parts(count: int, threads: int) -> Iterator[slice]:
    """Cut the episodes into parts, which threads take whenever they are free: episodes differ in length.

    Parts are small also because a running one cannot be interrupted.
    """
    size = min(max(1, count // (threads * _PARTS_PER_THREAD)), _LARGEST_PART) if threads > 1 else _LARGEST_PART
    return iter([slice(start, start + size) for start in range(0, count, size)])


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _refused_results(gym_id: str, env_kwargs: Mapping[str, Any]) -> str:
    spaces = read_spaces(gym_id, env_kwargs)
    shape = (spaces.observation_size, spaces.action_size)
    policy = NetworkPolicy(make_network(np.linspace(-1.0, 1.0, shape[0] * shape[1]).reshape(shape), None), None)
    ours = MujocoEngine(gym_id, env_kwargs, spaces, max_steps=_PROBE_STEPS)
    reference = GymnasiumEngine(gym_id, env_kwargs, spaces, max_steps=_PROBE_STEPS)
    try:
        equal = all(_same(ours.roll_out(policy, seed), reference.roll_out(policy, seed)) for seed in _PROBE_SEEDS)
    finally:
        reference.close()
    return "" if equal else f"its {gym_id} differs from that of Gymnasium {gymnasium.__version__} on this machine"


def _same(one: Rollout, other: Rollout) -> bool:
    return one.end == other.end and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("observations", "actions", "rewards")
    )
