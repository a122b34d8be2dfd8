"""PureSearch: two searches and no critic."""

from __future__ import annotations

from r2po.methods.method import Method, pair, style
from r2po.methods.step import Step, keep_best
from r2po.prompts import search_prompt
from r2po.trial import Candidate


def pure_search(step: Step) -> Candidate:
    """Two samples of the same search prompt, both evaluated; the better one is kept."""
    prompt = search_prompt(step)
    first, second = step.ask("search", prompt), step.ask("search", prompt)
    return keep_best(step.evaluate(first, "proposal_a"), step.evaluate(second, "proposal_b"))


METHOD = Method(
    "pure_search",
    "PureSearch",
    pure_search,
    pair=pair("proposal_a", "proposal_b", "search"),
    style=style("#9d1700", (6, 1.5, 1, 1.5), "<"),
    templates=("search.j2",),
)
