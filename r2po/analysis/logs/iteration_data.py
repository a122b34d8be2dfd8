"""What was tried in an iteration, as analyses see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class CandidateData:
    """What was tried in an iteration.

    Attributes:
        stage: What it is in its method: "proposal", "revision", ...
        reward: Mean return, as it was logged.
        params: Flat parameters; None if the log does not hold them.
        returns: (K,) return of each rollout; None if the log does not hold them.
        success: Fraction of the rollouts that succeeded; None if the log does not tell.
        source: The program, if the policy is one; None if the log does not hold it.
    """

    stage: str
    reward: float
    params: NDArray[np.float64] | None
    returns: NDArray[np.float64] | None
    success: float | None = None
    source: str | None = None


@dataclass(frozen=True, eq=False)
class IterationData:
    """One complete iteration.

    Attributes:
        number: Its number, from 1.
        accepted: Index in ``candidates`` of the one that was kept.
        candidates: In the order in which they were tried, at least one.
        problem: One line on candidates that the log does not tell; empty if it tells all.
    """

    number: int
    accepted: int
    candidates: tuple[CandidateData, ...]
    problem: str = ""


def candidate_data(record: Mapping[str, Any]) -> CandidateData:
    """Return a candidate that works, given its record in ``iterations.jsonl``."""
    returns = np.array(record["returns"])
    params = np.array(record["params"], dtype=np.float64) if "params" in record else None
    success = float(np.mean(record["successes"])) if record.get("successes") else None
    return CandidateData(record["stage"], float(returns.mean()), params, returns, success, record.get("source"))
