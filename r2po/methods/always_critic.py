"""AlwaysCritic: RepTraj without a choice."""

from __future__ import annotations

from r2po.methods.method import Method, closest_to_mean, pair, style
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
    pair=pair("proposal", "revision", "critic"),
    style=style("#a28102", (4, 1.2, 1, 1.2, 1, 1.2), "P"),
    history_rollout=closest_to_mean,
    shows_excerpts=True,
    templates=("search.j2", "critic_raw_rollout.j2"),
)
