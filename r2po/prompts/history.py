"""The history as prompts show it: every trial, oldest first, unsorted, uncut, append-only, unless there is a window."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

from r2po.policies import PolicyFamily
from r2po.prompts.brief import Brief
from r2po.prompts.numbers import fixed
from r2po.prompts.places import Marked, joined
from r2po.prompts.rollouts import by_length, raw_steps, transitions
from r2po.prompts.windows import left_out, may_leave_out, shown_trials, steps
from r2po.trial import Trial

EXCERPT_STEPS = 4
ROLLOUT_HEADLINE = "Its rollout, as state | action | reward:"

Lines = Literal["values", "rewards", "kinds", "phases"]
"""How a trial is written: as a point and the value of f (ProPS); with its number and reward; so that the reward's name
tells a warm-up trial, which is one rollout, from a mean (R2PO); or with the phase named as well (ThreeTraj)."""


def write_history(
    history: Sequence[Trial], brief: Brief, lines: Lines = "values", *, with_rollouts: bool = False
) -> Marked:
    """Write every trial that prompts show.

    Args:
        history: The trials.
        brief: The experiment's facts.
        lines: How each is written.
        with_rollouts: Write the rollout that a trial carries below it.
    """
    trials = shown_trials(history, brief.history_window)
    entries = [_entry(index, trial, brief, lines) for index, trial in trials]
    if with_rollouts:
        window = steps(brief.rollout_window)
        entries = [entry + _rollout_below(trial, *window) for entry, (_, trial) in zip(entries, trials, strict=True)]
    if may_leave_out(history, brief.history_window):
        note = left_out(history, len(trials), brief.history_window)
        return Marked("\n".join([note, *entries] if note else entries), [0])
    return joined(entries, history)


def write_excerpts(history: Sequence[Trial], brief: Brief) -> str:
    """Write an excerpt of the rollout of each of the latest trials: its first and last 4 steps, no rewards."""
    first, ending = max(len(history) - brief.traj_history_last_n, 0), by_length(brief.max_traj_length)
    window = steps(brief.rollout_window, EXCERPT_STEPS, EXCERPT_STEPS)
    return "\n".join(
        f"Trial {index}: {'; '.join(transitions(trial.rollout, ending, *window))}"
        for index, trial in enumerate(history[first:], first)
        if trial.rollout is not None
    )


def _entry(index: int, trial: Trial, brief: Brief, lines: Lines) -> str:
    policy, value = brief.policy, fixed(trial.reward)
    failed = f"failed: {trial.failure}" if trial.failure else ""
    if lines == "values":
        result = failed or f"{policy.objective}: {value}"
        return policy.trial_form.format(solution=_written(policy, trial), result=result)
    kind = "" if lines == "rewards" else "rollout " if trial.warmup else "mean "
    result = failed or f"{kind}reward: {value}"
    entry = policy.trial_form.format(solution=_written_briefly(policy, trial), result=result)
    phase = "Trial" if lines != "phases" else "Warm-up trial" if trial.warmup else "Training trial"
    return f"{phase} {index}: {entry}"


# Each trial is written once, not again for each prompt that shows it.


@lru_cache(maxsize=2048)
def _written(policy: PolicyFamily[Any], trial: Trial) -> str:
    return policy.write(trial.shown)


@lru_cache(maxsize=2048)
def _written_briefly(policy: PolicyFamily[Any], trial: Trial) -> str:
    return policy.write_briefly(trial.shown)


@lru_cache(maxsize=2048)
def _rollout_below(trial: Trial, first: int | None, last: int) -> str:
    """Return a rollout's lines, with an empty one after them."""
    if trial.rollout is None:
        return ""
    return "\n".join(["", ROLLOUT_HEADLINE, *raw_steps(trial.rollout, first, last), ""])
