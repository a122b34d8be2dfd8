"""CriticOnly: no search."""

from __future__ import annotations

from r2po.methods.method import Method, closest_to_mean, style
from r2po.methods.step import Step
from r2po.prompts import critic_only_prompt
from r2po.trial import Candidate


def critic_only(step: Step) -> Candidate:
    """One critic-style call on history and last accepted rollout; always kept."""
    return step.evaluate(step.ask("critic", critic_only_prompt(step)), "proposal")


METHOD = Method(
    "critic_only",
    "CriticOnly",
    critic_only,
    roles=("critic",),
    style=style("#0170f7", (1.2, 1.2), "X"),
    history_rollout=closest_to_mean,
    shows_excerpts=True,
    templates=("critic_only.j2",),
)
