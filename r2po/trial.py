"""The optimizer's memory: candidates of an iteration, and the trials that enter the history."""

from __future__ import annotations

from dataclasses import dataclass, field

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
        rollouts: Its K rollouts.
        shown: Indices of the rollouts that a prompt shows, kept as trajectories.
    """

    stage: str
    solution: Solution
    raw: Solution
    call: str
    rollouts: Rollouts
    shown: set[int] = field(default_factory=set)

    @property
    def reward(self) -> float:
        """Mean return of its rollouts."""
        return self.rollouts.mean

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
        reward: Mean return; of one rollout for a warm-up trial.
        warmup: Whether it is a warm-up trial.
        rollout: The rollout that the method's history shows, if it shows any.
    """

    solution: Solution
    shown: Solution
    reward: float
    warmup: bool
    rollout: Rollout | None = None
