"""The method of the plugin."""

from __future__ import annotations

from r2po.methods import Method, Step, keep_best, style
from r2po.prompts import search_prompt
from r2po.trial import Candidate


def twice(step: Step) -> Candidate:
    """Two searches; the better is kept."""
    first = step.evaluate(step.ask("search", search_prompt(step)), "first")
    return keep_best(first, step.evaluate(step.ask("search", search_prompt(step, described=True)), "second"))


METHOD = Method(
    "twice", "Twice around", twice, calls=2, evaluations=2, style=style("#654321", (), "x"), templates=("search.j2",)
)
