"""What a critic sees of the rollouts of the policy it revises.

The name of each function here also chooses the template ``guide_<name>.j2``, which says how to work from that evidence.
"""

from __future__ import annotations

from r2po.prompts.brief import Brief
from r2po.prompts.numbers import number
from r2po.prompts.rollouts import raw_steps, transitions
from r2po.rollout import Rollouts
from r2po.trial import Candidate

# numpy.isclose with rtol 1e-5, and an absolute tolerance that scales with the target.
RELATIVE_TOLERANCE = 1e-5

EVIDENCE_HEADLINE = "Each line is state->action->next state:"
RAW_HEADLINE = "One of its rollouts, the one whose return is closest to the mean. Each line is state | action | reward:"
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
            f"Median rollout: rollout {index} of 0 to {len(rollouts) - 1}, return {number(median.total)}, "
            f"length {median.length} steps. {EVIDENCE_HEADLINE}",
            *transitions(median),
        ]
    )


def raw_rollout(candidate: Candidate, _: Brief) -> str:
    """RepTraj's evidence: one rollout, step by step with rewards; the one whose return is closest to the mean."""
    shown = candidate.show(candidate.rollouts.closest_to(candidate.reward))
    return "\n".join([RAW_HEADLINE, *raw_steps(shown)])


def three_rollouts(candidate: Candidate, _: Brief) -> str:
    """ThreeTraj's evidence: the worst, the median and the best rollout, each cut to its first and last 25 steps."""
    rollouts = candidate.rollouts
    chosen = {
        "Worst": int(rollouts.returns.argmin()),
        "Median": rollouts.median_index,
        "Best": int(rollouts.returns.argmax()),
    }
    lines = [EVIDENCE_HEADLINE]
    for name, index in chosen.items():
        rollout = candidate.show(index)
        lines += ["", f"{name} rollout (rollout {index} of 0 to {len(rollouts) - 1}), return {number(rollout.total)}:"]
        lines += transitions(rollout, CUT_STEPS, CUT_STEPS)
    return "\n".join(lines)


def _statistics(rollouts: Rollouts, brief: Brief) -> list[str]:
    returns, lengths = rollouts.returns, rollouts.lengths
    reached = sum(reached_target(value, brief.optimum) for value in returns.tolist())
    return [
        f"Statistics of the {len(rollouts)} rollouts:",
        f"- return: mean {number(rollouts.mean)}, min {number(returns.min())}, max {number(returns.max())}",
        f"- length in steps: mean {number(lengths.mean())}, min {lengths.min()}, max {lengths.max()}",
        f"- reached the target of {number(brief.optimum)}: {reached}; did not reach it: {len(rollouts) - reached}",
    ]
