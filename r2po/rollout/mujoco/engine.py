"""The MuJoCo engine: whole episodes in compiled code that calls MuJoCo itself, on several cores if they are many."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import gymnasium

from r2po.envs.making import make
from r2po.policies.forms import CompiledForm, NetworkPolicy
from r2po.rollout.compiled_engine import CompiledEngine, Outcomes, Seeds, Trajectory
from r2po.rollout.mujoco.task import read_task, refused_setting
from r2po.rollout.refusal import compilation_refusal, reproduces_gymnasium
from r2po.tasks.spaces import Spaces

if TYPE_CHECKING:
    from r2po.rollout.mujoco.library import Simulation

# With fewer episodes per thread, waking it is not worth it.
_EPISODES_PER_THREAD = 20
_PARTS_PER_THREAD, _LARGEST_PART = 8, 20

_PROBE_SEEDS, _PROBE_STEPS = (0, 2**63 - 1), 20


def refusal(gym_id: str, env_kwargs: Mapping[str, Any]) -> str:
    """Return why this engine cannot run an environment with these arguments, in words; "" if it can."""
    reason = refused_setting(gym_id, env_kwargs) or compilation_refusal()
    if reason:
        return reason
    from r2po.rollout.mujoco.library import refused_library

    reason = refused_library()
    if reason or reproduces_gymnasium(MujocoEngine, gym_id, env_kwargs, _PROBE_SEEDS, _PROBE_STEPS):
        return reason
    return f"its {gym_id} differs from that of Gymnasium {gymnasium.__version__} on this machine"


class MujocoEngine(CompiledEngine):
    """Rolls out networks in InvertedPendulum-v5, InvertedDoublePendulum-v5 and Swimmer-v5, bit for bit as Gymnasium.

    Evaluations of many episodes use ``threads`` threads, one simulation each; by default one per core of the process.
    """

    name = "mujoco"

    def __init__(
        self, gym_id: str, env_kwargs: Mapping[str, Any], spaces: Spaces, *, max_steps: int, threads: int | None = None
    ) -> None:
        from r2po.rollout.mujoco.library import ignore_warnings

        super().__init__(spaces, max_steps)
        ignore_warnings()
        self._threads = _cores() if threads is None else threads
        environment = make(gym_id, **env_kwargs)
        base: Any = environment.unwrapped
        self._task = read_task(environment)
        self._model, self._initial = base.model, (base.init_qpos, base.init_qvel)
        environment.close()
        # One per thread, with its data: compiled code holds only addresses in the model and in them.
        self._simulations: list[tuple[Simulation, Any]] = []

    def close(self) -> None:
        """Free the simulations; the next rollout makes new ones."""
        self._simulations.clear()

    def _run(self, policy: CompiledForm, seeds: Seeds, outcomes: Outcomes, trajectory: Trajectory) -> None:
        from r2po.rollout.mujoco.episodes import run_episodes

        assert isinstance(policy, NetworkPolicy)
        network, count = policy.network, len(seeds)
        threads = max(1, min(self._threads, count // _EPISODES_PER_THREAD))
        parts = _parts(count, threads)

        def work(simulation: Simulation) -> None:
            for part in parts:
                mine = Outcomes(outcomes.returns[part], outcomes.lengths[part], outcomes.ends[part])
                run_episodes(simulation, self._task, self._limits, network, seeds[part], mine, trajectory)

        simulations = self._prepare(threads)
        if threads == 1:
            work(simulations[0])
            return
        with ThreadPoolExecutor(threads) as pool:
            try:
                list(pool.map(work, simulations))
            finally:
                # After an interruption, threads find nothing more to do.
                deque(parts, maxlen=0)

    def _prepare(self, count: int) -> Sequence[Simulation]:
        from r2po.rollout.mujoco.library import make_simulation

        while len(self._simulations) < count:
            self._simulations.append(make_simulation(self._model, *self._initial))
        return [simulation for simulation, _ in self._simulations[:count]]


def _parts(count: int, threads: int) -> Iterator[slice]:
    """Cut the episodes into parts, which threads take whenever they are free: episodes differ in length.

    Parts are small also because a running one cannot be interrupted.
    """
    size = min(max(1, count // (threads * _PARTS_PER_THREAD)), _LARGEST_PART) if threads > 1 else _LARGEST_PART
    return iter([slice(start, start + size) for start in range(0, count, size)])


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
