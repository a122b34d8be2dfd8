"""The MuJoCo engine: whole episodes in compiled code that calls MuJoCo itself, on several cores if they are long."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import gymnasium

from r2po import cores
from r2po.envs.making import make
from r2po.policies.forms import CompiledForm, NetworkPolicy
from r2po.rollout.compiled_engine import CompiledEngine, Outcomes, Seeds, Trajectory
from r2po.rollout.mujoco.arguments import refused_arguments
from r2po.rollout.mujoco.constants import constants_of
from r2po.rollout.mujoco.description import REACH
from r2po.rollout.mujoco.environments import describe
from r2po.rollout.mujoco.norms import are_fused
from r2po.rollout.refusal import compilation_refusal, reproduces_gymnasium
from r2po.signals import deferred
from r2po.tasks.spaces import Spaces

if TYPE_CHECKING:
    from r2po.rollout.mujoco.library import Simulation

# Other threads help from this step of an evaluation on: starting them costs as much as a few steps do.
_STEPS_ALONE = 200

_PROBE_SEEDS, _PROBE_STEPS = (0, 2**63 - 1), 20


def refusal(gym_id: str, env_kwargs: Mapping[str, Any]) -> str:
    """Return why this engine cannot run an environment with these arguments, in words; "" if it can."""
    reason = refused_arguments(gym_id, env_kwargs) or compilation_refusal()
    if reason:
        return reason
    from r2po.rollout.mujoco.library import refused_library

    reason = refused_library() or _refused_norms(gym_id, env_kwargs)
    if reason or reproduces_gymnasium(MujocoEngine, gym_id, env_kwargs, _PROBE_SEEDS, _PROBE_STEPS):
        return reason
    return f"its {gym_id} differs from that of Gymnasium {gymnasium.__version__} on this machine"


def _refused_norms(gym_id: str, env_kwargs: Mapping[str, Any]) -> str:
    if are_fused() is not None:
        return ""
    with closing(make(gym_id, **env_kwargs)) as environment:
        measures = describe(environment).reward.kind == REACH
    return "it does not know how NumPy's BLAS rounds the norm of a vector on this machine" if measures else ""


class MujocoEngine(CompiledEngine):
    """Rolls out networks in the MuJoCo environments of Gymnasium, version 5, bit for bit as Gymnasium.

    Long evaluations use up to ``threads`` threads, one simulation each; by default as many as ``r2po.cores`` allows.
    Results do not depend on their number.
    """

    name = "mujoco"

    def __init__(
        self, gym_id: str, env_kwargs: Mapping[str, Any], spaces: Spaces, *, max_steps: int, threads: int | None = None
    ) -> None:
        from r2po.rollout.mujoco.library import ignore_warnings

        super().__init__(spaces, max_steps)
        ignore_warnings()
        self._threads = threads
        environment = make(gym_id, **env_kwargs)
        self._description = describe(environment)
        self._constants = constants_of(self._description)
        base: Any = environment.unwrapped
        self._model = base.model
        environment.close()
        # One per thread, with its data: compiled code holds only addresses in the model and in them.
        self._simulations: list[tuple[Simulation, Any]] = []

    def close(self) -> None:
        """Free the simulations; the next rollout makes new ones."""
        self._simulations.clear()

    def _run(self, policy: CompiledForm, seeds: Seeds, outcomes: Outcomes, trajectory: Trajectory) -> None:
        from r2po.rollout.mujoco.episodes import make_progress
        from r2po.rollout.mujoco.evaluation import Evaluation

        assert isinstance(policy, NetworkPolicy)
        evaluation = Evaluation(self._constants, self._limits, policy.network, seeds, outcomes, trajectory)
        simulation, progress = self._simulation(0), make_progress()
        with deferred():  # the first of all evaluations compiles the loop
            done = evaluation.work(simulation, progress, _STEPS_ALONE)
        if done:
            return
        threads = cores.per_evaluation() if self._threads is None else self._threads
        helpers = [self._simulation(1 + number) for number in range(min(threads - 1, evaluation.left))]
        if not helpers:
            evaluation.finish(simulation, progress)
            return
        with ThreadPoolExecutor(len(helpers)) as pool, evaluation.stopped_at_the_end():
            working = [pool.submit(evaluation.finish, helper, make_progress()) for helper in helpers]
            evaluation.finish(simulation, progress)
            for each in working:
                each.result()

    def _simulation(self, number: int) -> Simulation:
        from r2po.rollout.mujoco.library import make_simulation

        while len(self._simulations) <= number:
            self._simulations.append(make_simulation(self._model, self._description))
        return self._simulations[number][0]
