"""AlwaysCritic: RepTraj without a choice."""

from __future__ import annotations

from r2po.methods.method import Method, Pair, Style, closest_to_mean
from r2po.methods.reptraj import propose_and_revise
from r2po.methods.step import Step
from r2po.trial import Candidate


def always_critic(step: Step) -> Candidate:
    """RepTraj, but the revision is kept even where the proposal was better."""
    _, revision = propose_and_revise(step)
    return revision


METHOD = Method(
    "always_critic",
    "AlwaysCritic",
    always_critic,
    roles=("search", "critic"),
    pair=Pair(proposal="proposal", revision="revision", role="critic"),
    style=Style(colour="#a28102", dashes=(4, 1.2, 1, 1.2, 1, 1.2), marker="P"),
    history_rollout=closest_to_mean,
    shows_excerpts=True,
)
