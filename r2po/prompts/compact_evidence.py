"""What a critic sees of rollouts, in the compact style: the same as ``r2po.prompts.evidence``, each thing once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from r2po.prompts.brief import Brief
from r2po.prompts.compact_history import value
from r2po.prompts.compact_rollouts import NUMBERED, numbered, plain, transitions
from r2po.prompts.evidence import CUT_STEPS, reached_target
from r2po.prompts.numbers import number
from r2po.prompts.rollouts import by_last_reward, by_length
from r2po.prompts.windows import steps
from r2po.rollout import Rollout, Rollouts
from r2po.trial import Candidate

EACH_STEP = "Each line is a state and the action taken in it, state | action; the last one says how it ended:"
RECORD = (
    f"Each line is state | action | reward; a reward is left out where it equals the one before. Every {NUMBERED}th "
    "step has its number, from 0, before it:"
)


def median_package(candidate: Candidate, brief: Brief) -> str:
    """Write aggregate statistics of the K rollouts, then the whole median rollout."""
    rollouts = candidate.rollouts
    index = rollouts.median_index
    median = candidate.show(index)
    shown = transitions(median, by_length(brief.max_traj_length), *steps(brief.rollout_window))
    return "\n".join([
        *_statistics(rollouts, brief),
        "",
        f"Median rollout, as an example: rollout {index}, return {value(median.total)}, {_steps(median)}. {EACH_STEP}",
        *shown,
    ])  # fmt: skip


def raw_rollout(candidate: Candidate, brief: Brief) -> str:
    """Write one rollout, step by step with rewards; the one whose return is closest to the mean."""
    shown = candidate.show(candidate.rollouts.closest_to(candidate.reward))
    return "\n".join([
        f"One rollout, return {value(shown.total)}, {_steps(shown)}. {RECORD}",
        *record(shown, brief),
    ])  # fmt: skip


def three_rollouts(candidate: Candidate, brief: Brief) -> str:
    """Write the worst, the median and the best rollout, each cut to its first and last 25 steps, equal ones once."""
    rollouts = candidate.rollouts
    chosen = {
        "worst": int(rollouts.returns.argmin()),
        "median": rollouts.median_index,
        "best": int(rollouts.returns.argmax()),
    }
    window = steps(brief.rollout_window, CUT_STEPS, CUT_STEPS)
    alike: dict[str, dict[int, list[str]]] = {}
    for name, index in chosen.items():
        written = "\n".join(transitions(candidate.show(index), by_last_reward, *window))
        alike.setdefault(written, {}).setdefault(index, []).append(name)
    of = f"Of {len(rollouts)} rollouts. " if brief.policy.choices else ""
    lines = [f"{of}{EACH_STEP}"]
    for written, names in alike.items():
        headings = [
            f"{_joined(each).capitalize()} rollout: rollout {index}, return {value(rollouts[index].total)}"
            for index, each in names.items()
        ]
        lines += ["", *headings, *(["These have the same steps:"] if len(names) > 1 else []), written]
    return "\n".join(lines)


def _joined(names: Sequence[str]) -> str:
    """Join names: ``worst, median and best``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def record(rollout: Rollout, brief: Brief) -> list[str]:
    """Write the steps that prompts show of a rollout with their rewards."""
    return numbered(rollout, *steps(brief.rollout_window))


def latest(rollout: Rollout, brief: Brief) -> str:
    """Write the latest rollout for CriticOnly."""
    return "\n".join([f"A recent rollout, {_steps(rollout)}. {RECORD}", *record(rollout, brief)])


def _steps(rollout: Rollout) -> str:
    return f"{rollout.length} step{'' if rollout.length == 1 else 's'}"


def _statistics(rollouts: Rollouts, brief: Brief) -> list[str]:
    returns, lengths = rollouts.returns, rollouts.lengths
    reached = sum(reached_target(each, brief.optimum) for each in returns.tolist())
    count = len(rollouts)
    return [
        f"Returns: from {value(returns.min())} to {value(returns.max())}",
        f"Steps: mean {plain(lengths.mean(), 1)}, from {lengths.min()} to {lengths.max()}",
        f"Return of at least {number(brief.optimum)} (the target): {reached} of {count}; less: {count - reached}",
    ]


COMPACT: Mapping[str, Callable[[Candidate, Brief], str]] = {
    function.__name__: function for function in (median_package, raw_rollout, three_rollouts)
}
"""By the name of the published evidence that each stands for."""
