"""R2PO: Reflective Prompted Policy Optimization."""

from __future__ import annotations

from r2po.methods.method import Method, pair, style
from r2po.methods.step import Step, keep_best
from r2po.prompts import critic_prompt, median_package, search_prompt
from r2po.trial import Candidate


def r2po(step: Step) -> Candidate:
    """A proposal, then a revision grounded in the median rollout; the better one is kept."""
    proposal = step.evaluate(step.ask("search", search_prompt(step, lines="kinds")), "proposal")
    critic = critic_prompt(step, proposal, evidence=median_package, lines="kinds", revision_rule=True)
    revision = step.evaluate(step.ask("critic", critic), "revision")
    return keep_best(proposal, revision)


METHOD = Method(
    "r2po",
    "R2PO",
    r2po,
    roles=("search", "critic"),
    pair=pair("proposal", "revision", "critic"),
    style=style("#003c97", (), "o"),
    revision_rule=True,
    templates=("search.j2", "critic_median_package.j2"),
)
