"""What a critic sees of the rollouts of the policy it revises.

The name of each function here also chooses the critic's template, ``critic_<name>.j2``, which says how to work from it.
"""

from __future__ import annotations

from r2po.prompts.brief import Brief
from r2po.prompts.numbers import fixed
from r2po.prompts.rollouts import by_last_reward, by_length, raw_steps, transitions
from r2po.prompts.windows import steps
from r2po.rollout import Rollout, Rollouts
from r2po.trial import Candidate

# numpy.isclose with rtol 1e-5, and an absolute tolerance that scales with the target.
RELATIVE_TOLERANCE = 1e-5

STEPS_HEADLINE = "Each line is state->action->next state:"
RAW_HEADLINE = "Each line is step: state | action | reward:"
CUT_STEPS = 25


def reached_target(value: float, optimum: float) -> bool:
    """Whether a return counts as having reached the target (R2PO): above it, or equal up to a small tolerance."""
    absolute = max(1e-6, 1e-3 * max(1.0, abs(optimum)))
    return value > optimum or abs(value - optimum) <= absolute + RELATIVE_TOLERANCE * abs(optimum)


def median_package(candidate: Candidate, brief: Brief) -> str:
    """R2PO's evidence: aggregate statistics of the K rollouts, then the whole median rollout."""
    rollouts = candidate.rollouts
    index = rollouts.median_index
    median = candidate.show(index)
    return "\n".join(
        [
            *_statistics(rollouts, brief),
            "",
            f"Median rollout, as an example: rollout {index}, return {fixed(median.total, 4)}, length {median.length} "
            f"steps. {STEPS_HEADLINE}",
            *transitions(median, by_length(brief.max_traj_length), *steps(brief.rollout_window)),
        ]
    )


def raw_rollout(candidate: Candidate, brief: Brief) -> str:
    """RepTraj's evidence: one rollout, step by step with rewards; the one whose return is closest to the mean."""
    shown = candidate.show(candidate.rollouts.closest_to(candidate.reward))
    headline = f"One rollout, length {shown.length} steps, return {fixed(shown.total)}. {RAW_HEADLINE}"
    return "\n".join([headline, *numbered_steps(shown, brief)])


def three_rollouts(candidate: Candidate, brief: Brief) -> str:
    """ThreeTraj's evidence: the worst, the median and the best rollout, each cut to its first and last 25 steps."""
    rollouts = candidate.rollouts
    chosen = {
        "Worst": int(rollouts.returns.argmin()),
        "Median": rollouts.median_index,
        "Best": int(rollouts.returns.argmax()),
    }
    of = f"Of {len(rollouts)} rollouts. " if brief.policy.choices else ""
    lines = [f"{of}{STEPS_HEADLINE}"]
    for name, index in chosen.items():
        rollout = candidate.show(index)
        lines += ["", f"{name} rollout: rollout {index}, return {fixed(rollout.total, 4)}"]
        lines += transitions(rollout, by_last_reward, *steps(brief.rollout_window, CUT_STEPS, CUT_STEPS))
    return "\n".join(lines)


def numbered_steps(rollout: Rollout, brief: Brief) -> list[str]:
    """Write the steps that prompts show as ``number: state | action | reward``, from 0."""
    return raw_steps(rollout, *steps(brief.rollout_window), numbered=True)


def _statistics(rollouts: Rollouts, brief: Brief) -> list[str]:
    returns, lengths = rollouts.returns, rollouts.lengths
    reached = sum(reached_target(value, brief.optimum) for value in returns.tolist())
    # Critics of other policies see the number of rollouts in the third line only, as published.
    count = f"{len(rollouts)} rollouts" if brief.policy.choices else "rollouts"
    return [
        f"Statistics of the {count}:",
        f"- return: mean {fixed(rollouts.mean)}, min {fixed(returns.min())}, max {fixed(returns.max())}",
        f"- length in steps: mean {fixed(lengths.mean(), 1)}, min {lengths.min()}, max {lengths.max()}",
        f"- reached the target of {fixed(brief.optimum)}: {reached}/{len(rollouts)}",
        f"- did not reach it: {len(rollouts) - reached}/{len(rollouts)}",
    ]
