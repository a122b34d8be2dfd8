"""The history as prompts show it: every trial, oldest first, unsorted, uncut, append-only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from r2po.prompts.brief import Brief
from r2po.prompts.numbers import number
from r2po.prompts.rollouts import transitions
from r2po.trial import Trial

EXCERPT_STEPS = 4


def write_history(
    history: Sequence[Trial], brief: Brief, *, kinds_apart: bool = False, with_rollouts: bool = False
) -> str:
    """Write every trial as the policy family says.

    Args:
        history: The trials.
        brief: The experiment's facts.
        kinds_apart: Say of each trial whether its reward is of one warm-up rollout or the mean of an evaluation.
        with_rollouts: Write the rollout that a trial carries below its line.
    """
    lines: list[str] = []
    for index, trial in enumerate(history, 1):
        kind = _kind(trial, brief) if kinds_apart else ""
        entry = brief.policy.trial_form.format(solution=trial.text, value=number(trial.reward))
        lines.append(f"Trial {index}{kind}: {entry}")
        if with_rollouts and trial.rollout is not None:
            lines.append(f"  its first rollout: {_whole_rollout(trial)}")
    return "\n".join(lines)


def write_excerpts(history: Sequence[Trial], count: int) -> str:
    """Write an excerpt of the rollout of each of the last ``count`` trials: its first and last 4 steps, no rewards."""
    first = max(len(history) - count, 0)
    return "\n".join(
        f"Trial {index}: {'; '.join(transitions(trial.rollout, EXCERPT_STEPS, EXCERPT_STEPS))}"
        for index, trial in enumerate(history[first:], first + 1)
        if trial.rollout is not None
    )


@lru_cache(maxsize=2048)
def _whole_rollout(trial: Trial) -> str:
    """Write the rollout of a trial once, not again for each prompt that shows it."""
    return "; ".join(transitions(trial.rollout)) if trial.rollout is not None else ""


def _kind(trial: Trial, brief: Brief) -> str:
    if trial.warmup:
        return " (warm-up, 1 rollout)"
    return f" (evaluated, mean of {brief.num_evaluation_episodes} rollouts)"
