"""The episodes of one evaluation, which several threads can share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from r2po.policies.forms import Network
from r2po.rollout.compiled_engine import Limits, Outcomes, Seeds, Trajectory
from r2po.rollout.mujoco.constants import Constants
from r2po.rollout.mujoco.episodes import Progress, run_episodes
from r2po.rollout.mujoco.library import Simulation

# Steps between two moments at which an interruption is noticed: some hundredths of a second.
_STEPS_AT_ONCE = 500


class Evaluation:
    """K episodes of one policy; whoever is free takes the next one, and its outcome does not depend on who does."""

    def __init__(
        self,
        constants: Constants,
        limits: Limits,
        network: Network,
        seeds: Seeds,
        outcomes: Outcomes,
        trajectory: Trajectory,
    ) -> None:
        self._fixed = constants, limits, network, seeds, outcomes, trajectory
        self._count = len(seeds)
        self._queue = np.zeros(1, np.int64)
        self._stopped = False

    @property
    def left(self) -> int:
        """How many episodes nobody has begun."""
        return max(self._count - int(self._queue[0]), 0)

    def work(self, simulation: Simulation, progress: Progress, budget: int) -> bool:
        """Make up to ``budget`` steps; return whether nothing is left for this simulation."""
        return bool(run_episodes(simulation, *self._fixed, self._queue, progress, budget))

    def finish(self, simulation: Simulation, progress: Progress) -> None:
        """Work until nothing is left for this simulation, or everybody is to stop."""
        while not self._stopped and not self.work(simulation, progress, _STEPS_AT_ONCE):
            pass

    @contextmanager
    def stopped_at_the_end(self) -> Iterator[None]:
        """Let all threads stop soon when the block is left, also by an interruption."""
        try:
            yield
        finally:
            self._stopped = True
