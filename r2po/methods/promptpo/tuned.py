"""PromptPO whose programs have constants that a numerical search tunes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from r2po.methods.method import style
from r2po.methods.promptpo.feedback import Summarizing
from r2po.methods.promptpo.method import METHOD as PROMPTPO
from r2po.methods.promptpo.options import Options, whole_evaluations
from r2po.methods.promptpo.search import Search
from r2po.methods.promptpo.tuning import with_tuned_constants
from r2po.methods.step import Step
from r2po.trial import Candidate


def promptpo_tuned(step: Step) -> Candidate:
    """A round of PromptPO, after which the constants of its best program are tuned without a model."""
    search = Search(step)
    summarizing = Summarizing(step, search.options, search.reward_source)
    search.reflect()
    best = search.kept()
    if best is None:
        return step.candidates[0]
    kept = with_tuned_constants(step, best, search.options, search.left)
    step.note("summaries", summarizing.summaries(kept))
    return kept


def _evaluations(config: Mapping[str, Any]) -> int:
    """Return the evaluations of a round that needs no repair; those that tune count by their episodes."""
    options = Options.of(config)
    episodes = options.tune_evaluations * options.tune_episodes
    if not episodes:
        return options.candidates
    return options.candidates + 1 + whole_evaluations(episodes, config.get("num_evaluation_episodes") or 1)


METHOD = replace(
    PROMPTPO,
    name="promptpo_tuned",
    label="PromptPO tuned",
    iterate=promptpo_tuned,
    evaluations=_evaluations,
    style=style("#aa99dd", (4, 1.5), "x"),
    templates=(
        "promptpo_tuned_search.j2",
        *(template for template in PROMPTPO.templates or () if template != "promptpo_search.j2"),
    ),
    package="cma",
    tunes=True,
)
