"""ProPS: numeric prompted policy search."""

from __future__ import annotations

from r2po.methods.method import Method, style
from r2po.methods.step import Step
from r2po.prompts import search_prompt
from r2po.trial import Candidate


def props(step: Step) -> Candidate:
    """One proposal from the history of parameters and rewards; always kept."""
    return step.evaluate(step.ask("search", search_prompt(step)), "proposal")


METHOD = Method(
    "props",
    "ProPS",
    props,
    style=style("#01a68f", (1.2, 1.2), "s"),
    templates=("search.j2",),
)
