"""RepTraj: the critic sees one raw rollout instead of R2PO's median package."""

from __future__ import annotations

from r2po.methods.method import Method, closest_to_mean, pair, style
from r2po.methods.step import Step, keep_best
from r2po.prompts import critic_prompt, raw_rollout, search_prompt
from r2po.trial import Candidate


def propose_and_revise(step: Step) -> tuple[Candidate, Candidate]:
    """One ProPS search, and one revision that is grounded in the raw rollout closest to the mean."""
    proposal = step.evaluate(step.ask("search", search_prompt(step)), "proposal")
    critic = critic_prompt(step, proposal, evidence=raw_rollout, excerpts=True, no_repeats=True)
    return proposal, step.evaluate(step.ask("critic", critic), "revision")


def reptraj(step: Step) -> Candidate:
    """A proposal, then a revision from one raw rollout; the better one is kept."""
    return keep_best(*propose_and_revise(step))


METHOD = Method(
    "reptraj",
    "RepTraj",
    reptraj,
    roles=("search", "critic"),
    pair=pair("proposal", "revision", "critic"),
    style=style("#f58163", (4, 1.5), "v"),
    history_rollout=closest_to_mean,
    shows_excerpts=True,
    templates=("search.j2", "critic_raw_rollout.j2"),
)
