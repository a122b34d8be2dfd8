"""The prompts: one template per role, whose sections the methods choose.

Order in every prompt: fixed text, then the history, then what belongs to this iteration. So consecutive prompts of one
role share a long prefix, which servers reuse.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import jinja2

from r2po.prompts.brief import Brief, Situation
from r2po.prompts.history import write_history
from r2po.prompts.numbers import number
from r2po.trial import Candidate, write_parameters

Evidence = Callable[[Candidate, Brief], str]
"""Writes what a critic sees of a candidate's rollouts."""


def search_prompt(situation: Situation, *, described: bool = False, kinds_apart: bool = False) -> str:
    """Write the Search-LLM's prompt.

    Args:
        situation: Where the experiment stands.
        described: Name the environment and describe it (ProPS+); else the search is a black-box maximization.
        kinds_apart: Tell warm-up trials and evaluated trials apart (R2PO).
    """
    return _template("search.j2").render(
        brief=situation.brief,
        described=described,
        kinds_apart=kinds_apart,
        history=write_history(situation.history, situation.brief, kinds_apart=kinds_apart),
        iteration=situation.iteration,
    )


def critic_prompt(situation: Situation, candidate: Candidate, *, evidence: Evidence) -> str:
    """Write the Critic-LLM's prompt about a candidate.

    Args:
        situation: Where the experiment stands.
        candidate: The evaluated proposal.
        evidence: What the critic sees of its rollouts.
    """
    brief = situation.brief
    return _template("critic.j2").render(
        brief=brief,
        history=write_history(situation.history, brief, kinds_apart=True),
        proposal=write_parameters(candidate.params, brief.policy),
        reward=candidate.reward,
        evidence=evidence(candidate, brief),
    )


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("r2po.prompts"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - plain text for a model, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    environment.filters["number"] = number
    return environment.get_template(name)
