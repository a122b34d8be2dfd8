"""A run as analyses see it, whatever format it was read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Heldout:
    """The best policy of a run on fresh episodes.

    Attributes:
        reward: Mean return.
        std: Sample standard deviation of the returns; None for one episode.
        episodes: Number of episodes.
    """

    reward: float
    std: float | None
    episodes: int


@dataclass(frozen=True, eq=False)
class RunData:
    """The n >= 1 complete iterations of a run.

    Attributes:
        name: Name of its folder, ``run_N``.
        environment: Short name of the task, or the Gymnasium id of an environment without a task card.
        method: Value of the config key ``method``.
        model: Name of the model as configured.
        stand_in: Whether an embedded stand-in answered instead of a language model.
        protocol: "published" or "controlled".
        seed: Seed of the run.
        target: Return that counts as solved, if the run names one.
        complete: Whether the run reached its end.
        planned_iterations: Iterations that the run was meant to have, if it says so.
        settings: What must agree between runs of one experiment, by config key.
        rewards: (n,) mean return of the accepted candidate of each iteration.
        returns: n arrays, the (K,) returns of the accepted candidate.
        episodes: (n,) episodes spent by the end of each iteration, all candidates and the warm-up included.
        steps: (n,) environment steps, likewise.
        llm_calls: (n,) replies received, likewise.
        llm_s: (n,) seconds spent waiting for the model in each iteration.
        heldout: The re-evaluation of the best policy; None if it has not taken place.
    """

    name: str
    environment: str
    method: str
    model: str
    stand_in: bool
    protocol: str
    seed: int
    target: float | None
    complete: bool
    planned_iterations: int | None
    settings: Mapping[str, Any]
    rewards: Floats
    returns: tuple[Floats, ...]
    episodes: Ints
    steps: Ints
    llm_calls: Ints
    llm_s: Floats
    heldout: Heldout | None

    @property
    def num_iterations(self) -> int:
        """Number of complete iterations, n."""
        return len(self.rewards)

    @cached_property
    def best_so_far(self) -> Floats:
        """(n,) largest reward up to each iteration."""
        return np.maximum.accumulate(self.rewards)

    @property
    def best_iteration(self) -> int:
        """Number of the first iteration with the largest reward, from 1."""
        return int(self.rewards.argmax()) + 1

    @property
    def progress(self) -> str:
        """How far it came, e.g. ``"6 of 10 iterations"``."""
        return progress(self.num_iterations, self.planned_iterations)


def progress(done: int, planned: int | None) -> str:
    """Write how far a run came, e.g. ``"6 of 10 iterations"``."""
    total = done if planned is None else planned
    of = "" if planned is None else f" of {planned}"
    return f"{done}{of} iteration{'' if total == 1 else 's'}"
