"""What every prompt may draw on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from r2po.policies import PolicyFamily, Solution
from r2po.prompts.windows import HistoryWindow, RolloutWindow
from r2po.prompts.wording import PUBLISHED, Wording
from r2po.tasks import Description, Source, Task
from r2po.tasks.spaces import Spaces
from r2po.trial import Candidate, Trial

RevisionRule = Literal["preference", "order"]


@dataclass(frozen=True)
class Brief:
    """The facts of an experiment that stay the same in all of its prompts.

    Attributes:
        task: The environment's card.
        description: What prompts tell of the environment.
        source: Whether that is the card's published text, its detailed one, or the only one there is.
        spaces: The environment's spaces.
        policy: The policy family.
        optimum: The target that prompts name.
        search_step_size: The step size that prompts recommend; None for tables.
        conservative_threshold: tau_c of the revision rule; None for no rule.
        max_traj_length: Cap on the steps of a rollout.
        num_evaluation_episodes: K.
        traj_history_last_n: How many of the latest trials show an excerpt of a rollout, in methods that show any.
        clips_actions: Whether evaluations clip continuous actions to the environment's bounds.
        shows_replies: Whether histories show solutions as they were proposed, and not as they were rolled out.
        revision_rule: How the revision rule is put: as a preference, or as an order with a second condition.
        announced_iterations: T, the number of iterations told to the model; None to tell none.
        structured_output: Whether replies are JSON objects of a given schema, and not free text.
        rollout_window: Which steps of rollouts are shown; None for all.
        history_window: Which trials are shown; None for all.
        number_samples: Whether the second prompt of several alike says that it is the second.
        wording: How all of this is said.
    """

    task: Task
    description: Description
    source: Source
    spaces: Spaces
    policy: PolicyFamily[Any]
    optimum: float
    search_step_size: float | None
    conservative_threshold: float | None
    max_traj_length: int
    num_evaluation_episodes: int
    traj_history_last_n: int
    announced_iterations: int | None
    clips_actions: bool
    shows_replies: bool = True
    revision_rule: RevisionRule = "preference"
    structured_output: bool = False
    rollout_window: RolloutWindow | None = None
    history_window: HistoryWindow | None = None
    number_samples: bool = False
    wording: Wording = PUBLISHED

    @property
    def shows_proposals(self) -> bool:
        """Whether prompts show what was proposed. Compact ones show what was tried, and say what was moved."""
        return self.shows_replies and self.wording.style == "published"

    @property
    def ending(self) -> str:
        """What ends an episode, with one limit of its steps: that which is reached first."""
        ending, longest = self.description.ending, self.longest_rollout
        if self.source == "published":
            return ending
        limited = ending.replace(f"after {self.spaces.episode_limit} steps", f"after {longest} steps")
        if f"after {longest} steps" in limited:
            return limited
        return " ".join(filter(None, [limited, f"It is stopped after {longest} steps at the latest."]))

    @property
    def longest_rollout(self) -> int:
        """The most steps that a rollout can have."""
        return min(self.max_traj_length, self.spaces.episode_limit or self.max_traj_length)

    @property
    def observation_names(self) -> list[str]:
        """Names of the observation dimensions; empty for numbered states."""
        observation = self.description.observation
        return [] if isinstance(observation, str) else [dim.name for dim in observation]

    @property
    def action_names(self) -> list[str]:
        """Meanings of the discrete actions in order, or names of the action dimensions."""
        return [action if isinstance(action, str) else action.name for action in self.description.actions]


def shown(candidate: Candidate, brief: Brief) -> Solution:
    """Return what prompts show of a candidate: what was proposed, or under ``controlled`` what was run."""
    return candidate.raw if brief.shows_proposals else candidate.solution


class Situation(Protocol):
    """Where an experiment stands when it asks: what prompts are written from."""

    @property
    def brief(self) -> Brief:
        """The facts that stay the same."""

    @property
    def history(self) -> Sequence[Trial]:
        """All trials, oldest first."""

    @property
    def iteration(self) -> int:
        """Number of the iteration, from 1."""
