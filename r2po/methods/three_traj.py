"""ThreeTraj: the critic sees three rollouts instead of statistics."""

from __future__ import annotations

from r2po.methods.method import Method, pair, style
from r2po.methods.step import Step, keep_best
from r2po.prompts import critic_prompt, search_prompt, three_rollouts
from r2po.trial import Candidate


def three_traj(step: Step) -> Candidate:
    """A proposal, then a revision from worst, median and best rollout; the better one is kept."""
    search = search_prompt(step, lines="phases")
    proposal = step.evaluate(step.ask("search", search), "proposal")
    critic = critic_prompt(step, proposal, evidence=three_rollouts, lines="phases", no_repeats=True)
    return keep_best(proposal, step.evaluate(step.ask("critic", critic), "revision"))


METHOD = Method(
    "three_traj",
    "ThreeTraj",
    three_traj,
    roles=("search", "critic"),
    pair=pair("proposal", "revision", "critic"),
    style=style("#b0a4fe", (6, 1.5, 1, 1.5), "D"),
    templates=("search.j2", "critic_three_rollouts.j2"),
)
