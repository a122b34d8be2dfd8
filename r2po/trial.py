"""The optimizer's memory: candidates of an iteration, and the trials that enter the history."""

from __future__ import annotations

from dataclasses import dataclass, field

from r2po.policies import Parameters, PolicyFamily
from r2po.rollout import Rollout, Rollouts


@dataclass(frozen=True, eq=False)
class Candidate:
    """Parameters that a model or an optimizer proposed and that were rolled out.

    Attributes:
        stage: What it is in its method: "proposal", "revision", ...
        params: The parameters that were rolled out.
        raw_params: The parameters as they were proposed; they differ from ``params`` only if they were clipped.
        call: Key of the reply they come from; empty if no model was asked.
        rollouts: Its K rollouts.
        shown: Indices of the rollouts that a prompt shows, kept as trajectories.
    """

    stage: str
    params: Parameters
    raw_params: Parameters
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
        params: Flat parameters.
        text: The parameters as prompts write them.
        reward: Mean return; of one rollout for a warm-up trial.
        warmup: Whether it is a warm-up trial.
        rollout: The rollout that the method's history shows, if it shows any.
    """

    params: Parameters
    text: str
    reward: float
    warmup: bool
    rollout: Rollout | None = None


def write_parameters(params: Parameters, policy: PolicyFamily) -> str:
    """Write parameters in the format that replies are asked for: ``params[0]: 1.0, params[1]: -2.5``."""
    return ", ".join(f"params[{index}]: {policy.format(value)}" for index, value in enumerate(params))
