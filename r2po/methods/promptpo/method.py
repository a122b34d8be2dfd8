"""PromptPO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from r2po.methods.method import Method, style
from r2po.methods.promptpo.feedback import Summarizing
from r2po.methods.promptpo.options import Options, is_spent
from r2po.methods.promptpo.search import Search
from r2po.methods.step import Step
from r2po.trial import Candidate


def promptpo(step: Step) -> Candidate:
    """N programs from the policies kept so far, those that fail repaired; the best one is kept."""
    search = Search(step)
    summarizing = Summarizing(step, search.options, search.reward_source)
    search.reflect()
    best = search.kept()
    if best is None:
        return step.candidates[0]
    step.note("summaries", summarizing.summaries(best))
    return best


def calls_of_a_round(config: Mapping[str, Any]) -> int:
    """Return the calls of a round that needs no repair."""
    options = Options.of(config)
    return options.candidates + options.reflection


METHOD = Method(
    "promptpo",
    "PromptPO",
    promptpo,
    calls=calls_of_a_round,
    evaluations=lambda config: Options.of(config).candidates,
    roles=("search", "feedback", "reflection", "repair"),
    repeats_prompts=True,
    style=style("#d205fb", (3, 1.2), "H"),
    templates=("promptpo_search.j2", "promptpo_feedback.j2", "promptpo_reflection.j2", "promptpo_repair.j2"),
    searches="programs",
    paired=True,
    keeps_by="score",
    is_spent=is_spent,
)
