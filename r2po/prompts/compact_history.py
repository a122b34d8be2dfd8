"""The history in the compact style: the value first, then the parameters as a vector, and no label twice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from r2po.policies import PolicyFamily
from r2po.prompts.brief import Brief
from r2po.prompts.compact_rollouts import BAR, plain, records, transitions, window
from r2po.prompts.history import EXCERPT_STEPS, Lines
from r2po.prompts.places import Marked, joined
from r2po.prompts.rollouts import by_length
from r2po.prompts.windows import left_out, may_leave_out, shown_trials, steps
from r2po.rollout import Rollout
from r2po.trial import Trial

LARGE = 1000.0
"""From here on, values of f have one decimal."""


def write_history(
    history: Sequence[Trial], brief: Brief, lines: Lines = "values", *, with_rollouts: bool = False
) -> Marked:
    """Write every trial that prompts show, as ``r2po.prompts.history.write_history`` does.

    Args:
        history: The trials.
        brief: The experiment's facts.
        lines: What is told of each.
        with_rollouts: Write the rollout that a trial carries below it.
    """
    trials = shown_trials(history, brief.history_window)
    named = lines != "values" or with_rollouts
    entries = [_name(index, trial, lines) * named + _entry(brief.policy, trial) for index, trial in trials]
    if with_rollouts:
        written = [(index, _in_a_line(trial, *steps(brief.rollout_window))) for index, trial in trials]
        below = _once(written, "Rollout: {}", "Rollout as in trial {}.")
        entries = ["\n".join(filter(None, entry)) for entry in zip(entries, below, strict=True)]
    if may_leave_out(history, brief.history_window):
        note = left_out(history, len(trials), brief.history_window)
        return Marked("\n".join([note, *entries] if note else entries), [0])
    return joined(entries, history)


def write_excerpts(history: Sequence[Trial], brief: Brief, *, but_the_last: bool = False) -> str:
    """Write an excerpt of the rollout of each of the latest trials; of equal ones, only the first.

    Args:
        history: The trials.
        brief: The experiment's facts.
        but_the_last: Leave out that of the latest trial, which another section shows in full.
    """
    first, ending = max(len(history) - brief.traj_history_last_n, 0), by_length(brief.max_traj_length)
    window = steps(brief.rollout_window, EXCERPT_STEPS, EXCERPT_STEPS)
    stop = len(history) - but_the_last
    written = [
        (index, "; ".join(transitions(trial.rollout, ending, *window)))
        for index, trial in enumerate(history[first:stop], first)
        if trial.rollout is not None
    ]
    texts = _once(written, "{}", "as trial {}")
    return "\n".join(f"Trial {index}: {text}" for (index, _), text in zip(written, texts, strict=True))


def value(reward: float) -> str:
    """Write the value of f with at most 2 decimals, and 1 where it is large."""
    return plain(reward, 1 if abs(reward) >= LARGE else 2)


@lru_cache(maxsize=2048)
def _vector(policy: PolicyFamily[Any], trial: Trial) -> str:
    """Write what was tried: parameters as ``[0.8, -2.6]``, any other solution as the family does."""
    return policy.write_compactly(trial.shown)


def _name(index: int, trial: Trial, lines: Lines) -> str:
    warmup = " (warm-up)" if trial.warmup and lines in ("kinds", "phases") else ""
    return f"Trial {index}{warmup}: "


def _entry(policy: PolicyFamily[Any], trial: Trial) -> str:
    result = f"failed: {trial.failure}" if trial.failure else f"f = {value(trial.reward)}"
    separator = "; " if policy.kind == "parameters" else "\n"
    return f"{result}{separator}{_vector(policy, trial)}{moved_note(trial.moved)}"


def moved_note(indices: Sequence[int]) -> str:
    """Say which parameters were moved to their bounds; empty if none was."""
    if not indices:
        return ""
    which = ", ".join(f"params[{index}]" for index in indices)
    return f" ({which} moved to {'its bound' if len(indices) == 1 else 'their bounds'})"


@lru_cache(maxsize=2048)
def _in_a_line(trial: Trial, first: int | None, last: int) -> str:
    """Return a rollout over numbered states in one line: ``state:action``, and ``=reward`` where it changes."""
    if trial.rollout is None:
        return ""
    return " ".join(window(_brief_steps(trial.rollout), first, last))


def _brief_steps(rollout: Rollout) -> list[str]:
    return [line.replace(BAR, ":", 1).replace(BAR, "=", 1) for line in records(rollout)]


def _once(written: Sequence[tuple[int, str]], form: str, again: str) -> list[str]:
    """Write each text once; later ones name the trial that has it. Empty texts stay empty."""
    seen: dict[str, int] = {}
    texts = []
    for index, text in written:
        first = seen.setdefault(text, index)
        texts.append("" if not text else form.format(text) if first == index else again.format(first))
    return texts
