"""The optimizer's memory: candidates of an iteration, and the trials that enter the history."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from r2po.isolation.outcomes import Failure
from r2po.policies import Solution
from r2po.rollout import Rollout, Rollouts


@dataclass(frozen=True, eq=False)
class Candidate:
    """A solution that a model or an optimizer proposed and that was rolled out.

    Attributes:
        stage: What it is in its method: "proposal", "revision", ...
        solution: What was rolled out.
        raw: The solution as it was proposed; it differs from ``solution`` only if that was clipped.
        call: Key of the reply it comes from; empty if no model was asked.
        rollouts: Its K rollouts; if it failed, there is none, and their ``lengths`` are the steps made before.
        shown: Indices of the rollouts that a prompt shows, kept as trajectories.
        failure: Why it does not work; None if it does.
    """

    stage: str
    solution: Solution
    raw: Solution
    call: str
    rollouts: Rollouts
    shown: set[int] = field(default_factory=set)
    failure: Failure | None = None

    @property
    def reward(self) -> float:
        """Mean return of its rollouts; -inf if it failed, so that anything else is better."""
        return -math.inf if self.failure else self.rollouts.mean

    @property
    def success(self) -> float | None:
        """Fraction of its episodes that succeeded; None if it failed, or if the task does not tell."""
        successes = self.rollouts.successes
        return None if successes is None else float(np.mean(successes))

    @property
    def score(self) -> tuple[float, ...]:
        """What methods compare that go by success where a task has it: (success, mean return), else (mean return,)."""
        return (self.reward,) if self.success is None else (self.success, self.reward)

    def show(self, index: int) -> Rollout:
        """Return rollout ``index`` for a prompt, and remember that it was shown."""
        self.shown.add(index)
        return self.rollouts[index]


@dataclass(frozen=True, eq=False)
class Trial:
    """An entry of the history.

    Attributes:
        solution: What was tried.
        shown: What prompts show of it: the solution, or the one that was proposed, before it was clipped.
        reward: Mean return; of one rollout for a warm-up trial; -inf if the policy failed.
        warmup: Whether it is a warm-up trial.
        rollout: The rollout that the method's history shows, if it shows any.
        failure: What went wrong, in one line; empty if the policy works.
        moved: Indices of the parameters that were moved to their bounds before it was tried.
    """

    solution: Solution
    shown: Solution
    reward: float
    warmup: bool
    rollout: Rollout | None = None
    failure: str = ""
    moved: tuple[int, ...] = ()


def moved(proposed: Solution, tried: Solution) -> tuple[int, ...]:
    """Return the indices of the parameters that were moved to their bounds; none for programs."""
    if not (isinstance(proposed, tuple) and isinstance(tried, tuple)):
        return ()
    pairs = zip(proposed, tried, strict=True)
    return tuple(index for index, (before, after) in enumerate(pairs) if before != after)
