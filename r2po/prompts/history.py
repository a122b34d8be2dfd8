"""The history as prompts show it: every trial, oldest first, unsorted, uncut, append-only."""

from __future__ import annotations

from collections.abc import Sequence

from r2po.prompts.brief import Brief
from r2po.prompts.numbers import number
from r2po.prompts.rollouts import transitions
from r2po.trial import Trial


def write_history(history: Sequence[Trial], brief: Brief, *, kinds_apart: bool) -> str:
    """Write one line per trial, followed by the rollout it carries, if any.

    Args:
        history: The trials.
        brief: The experiment's facts.
        kinds_apart: Say of each trial whether its reward is of one warm-up rollout or the mean of an evaluation.
    """
    return "\n".join(
        _entry(index, trial, _kind(trial, brief) if kinds_apart else "") for index, trial in enumerate(history, 1)
    )


def _kind(trial: Trial, brief: Brief) -> str:
    if trial.warmup:
        return " (warm-up, 1 rollout)"
    return f" (evaluated, mean of {brief.num_evaluation_episodes} rollouts)"


def _entry(index: int, trial: Trial, kind: str) -> str:
    line = f"Trial {index}{kind}: {trial.text}; f(params) = {number(trial.reward)}"
    if trial.rollout is None:
        return line
    return f"{line}\n  its first rollout: {'; '.join(transitions(trial.rollout))}"
