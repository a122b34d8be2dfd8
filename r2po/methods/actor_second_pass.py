"""ActorSecondPass: a second search instead of a critic."""

from __future__ import annotations

from r2po.methods.method import Method, pair, style
from r2po.methods.step import Step, keep_best
from r2po.prompts import search_prompt
from r2po.trial import Candidate


def actor_second_pass(step: Step) -> Candidate:
    """A proposal, then a second search that knows its result; the better one is kept."""
    first = step.evaluate(step.ask("search", search_prompt(step)), "first_pass")
    search = search_prompt(step, history=[*step.history, step.as_trial(first)])
    return keep_best(first, step.evaluate(step.ask("search", search), "second_pass"))


METHOD = Method(
    "actor_second_pass",
    "ActorSecondPass",
    actor_second_pass,
    pair=pair("first_pass", "second_pass", "search"),
    style=style("#874282", (2.5, 1), ">"),
    templates=("search.j2",),
)
