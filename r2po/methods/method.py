"""What a method is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from r2po.methods.step import Step
from r2po.prompts import Brief
from r2po.rollout import closest
from r2po.trial import Candidate

EVALUATION_BUDGET = 200
"""Evaluations of a full run in the paper, whatever the method; each follows an LLM call, if the method makes any."""


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
        calls_per_iteration: LLM calls of one iteration, each followed by an evaluation; 0 for a method that asks no
            model, and makes one evaluation.
        history_rollout: Given a trial's returns, the index of the rollout that this method's history shows of it, or
            None; absent if the method never shows one.
        shows_excerpts: Whether prompts show excerpts of the latest trials' rollouts (``traj_history_last_n``).
        searches: The only kind of policies that it can search; empty for all.
        package: An optional dependency that it needs; empty for none.
        roles: The roles in which it asks a model, if it asks one.
    """

    name: str
    label: str
    iterate: Callable[[Step], Candidate]
    calls_per_iteration: int
    history_rollout: Callable[[NDArray[np.float64], Brief], int | None] | None = None
    shows_excerpts: bool = False
    searches: Literal["", "tables", "real parameters"] = ""
    package: str = ""
    roles: tuple[str, ...] = ("search",)

    @property
    def asks_model(self) -> bool:
        """Whether it asks a language model; otherwise it is a numerical optimizer."""
        return self.calls_per_iteration > 0

    @property
    def evaluations_per_iteration(self) -> int:
        """Candidates of one iteration, each rolled out K times."""
        return max(self.calls_per_iteration, 1)

    @property
    def default_iterations(self) -> int:
        """Iterations that spend the paper's budget of evaluations."""
        return EVALUATION_BUDGET // self.evaluations_per_iteration

    def fits(self, policy: str) -> bool:
        """Whether it can search the policies of a family."""
        return not self.searches or (self.searches == "tables") == (policy == "tabular")
