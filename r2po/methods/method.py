"""What a method is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from r2po.methods.step import Step
from r2po.prompts import Brief
from r2po.trial import Candidate

CALL_BUDGET = 200
"""LLM calls of a full run in the paper, whatever the method."""


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
    """

    name: str
    label: str
    iterate: Callable[[Step], Candidate]
    calls_per_iteration: int
    history_rollout: Callable[[NDArray[np.float64], Brief], int | None] | None = None

    @property
    def default_iterations(self) -> int:
        """Iterations that spend the paper's budget of LLM calls."""
        return CALL_BUDGET // self.calls_per_iteration
