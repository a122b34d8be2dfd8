"""A method from outside the package: two candidates, whose stages have names of their own."""

from __future__ import annotations

from r2po.methods import METHODS, Method, Step, keep_best, pair, style
from r2po.prompts import critic_prompt, median_package, search_prompt
from r2po.trial import Candidate


def polish(step: Step) -> Candidate:
    """A sketch, then a polished one; the better is kept."""
    sketch = step.evaluate(step.ask("search", search_prompt(step)), "sketch")
    critic = critic_prompt(step, sketch, evidence=median_package, revision_rule=True)
    return keep_best(sketch, step.evaluate(step.ask("critic", critic), "polished"))


METHOD = METHODS.register(
    Method(
        "polish",
        "Sketch & polish",
        polish,
        calls=lambda config: 2 if config["num_evaluation_episodes"] else 0,
        evaluations=2,
        roles=("search", "critic"),
        pair=pair("sketch", "polished", "critic"),
        style=style("#123456", (1, 1), "o"),
        revision_rule=True,
    )
)
