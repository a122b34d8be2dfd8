"""What a method is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from r2po.methods.step import Step
from r2po.prompts import Brief
from r2po.rollout import closest
from r2po.trial import Candidate

CALL_BUDGET = 200
"""LLM calls of a full run in the paper, whatever the method."""


def closest_to_mean(returns: NDArray[np.float64], _: Brief) -> int:
    """Pick the rollout whose return is closest to the mean, for ``Method.history_rollout``."""
    return closest(returns, float(returns.mean()))


@dataclass(frozen=True)
class Method:
    """An optimizer, given by what it does in one iteration.

    Attributes:
        name: Value of the config key ``method``.
        label: Name in tables and figures.
        iterate: Runs one iteration and returns the accepted candidate.
        calls_per_iteration: LLM calls, and evaluations, of one iteration.
        history_rollout: Given a trial's returns, the index of the rollout that this method's history shows of it, or
            None; absent if the method never shows one.
        shows_excerpts: Whether prompts show excerpts of the latest trials' rollouts (``traj_history_last_n``).
    """

    name: str
    label: str
    iterate: Callable[[Step], Candidate]
    calls_per_iteration: int
    history_rollout: Callable[[NDArray[np.float64], Brief], int | None] | None = None
    shows_excerpts: bool = False

    @property
    def default_iterations(self) -> int:
        """Iterations that spend the paper's budget of LLM calls."""
        return CALL_BUDGET // self.calls_per_iteration
