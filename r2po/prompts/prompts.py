"""The prompts: one template per role, whose sections the methods choose.

Text that depends on the kind of a policy family's solutions is in the folder of that kind.

Order in every prompt: fixed text, then the history, then what belongs to this iteration. So consecutive prompts of one
role share a long prefix, which servers reuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import jinja2

from r2po.prompts.brief import Brief, Situation
from r2po.prompts.history import write_excerpts, write_history
from r2po.prompts.numbers import number
from r2po.prompts.rollouts import raw_steps
from r2po.trial import Candidate, Trial

LATEST_HEADLINE = "Each line is state | action | reward:"


class Evidence(Protocol):
    """Writes what a critic sees of a candidate's rollouts; a function of ``r2po.prompts.evidence``."""

    __name__: str

    def __call__(self, candidate: Candidate, brief: Brief, /) -> str:
        """Return the text."""


def search_prompt(
    situation: Situation,
    *,
    described: bool = False,
    kinds_apart: bool = False,
    trust_means: bool = False,
    history: Sequence[Trial] | None = None,
) -> str:
    """Write the Search-LLM's prompt.

    Args:
        situation: Where the experiment stands.
        described: Name the environment and describe it (ProPS+); else the search is a black-box maximization.
        kinds_apart: Tell warm-up trials and evaluated trials apart (R2PO).
        trust_means: Advise to trust means over single rollouts (ThreeTraj).
        history: The trials to show instead of the situation's (ActorSecondPass).
    """
    brief = situation.brief
    trials = situation.history if history is None else history
    return _render(
        "search.j2",
        brief,
        described=described,
        kinds_apart=kinds_apart,
        trust_means=trust_means,
        history=write_history(trials, brief, kinds_apart=kinds_apart, with_rollouts=described),
        iteration=situation.iteration,
    )


def critic_prompt(
    situation: Situation,
    candidate: Candidate,
    *,
    evidence: Evidence,
    kinds_apart: bool = False,
    excerpts: bool = False,
    no_repeats: bool = False,
    revision_rule: bool = False,
) -> str:
    """Write the Critic-LLM's prompt about a candidate.

    Args:
        situation: Where the experiment stands.
        candidate: The evaluated proposal.
        evidence: What the critic sees of its rollouts; its name also chooses the advice on how to work from it.
        kinds_apart: Tell warm-up trials and evaluated trials apart.
        excerpts: Show excerpts of the rollouts of the latest trials.
        no_repeats: Ask not to repeat what was tried earlier.
        revision_rule: State the revision rule, if there is a threshold.
    """
    brief = situation.brief
    return _render(
        "critic.j2",
        brief,
        kinds_apart=kinds_apart,
        no_repeats=no_repeats,
        revision_rule=revision_rule,
        history=write_history(situation.history, brief, kinds_apart=kinds_apart),
        excerpts=write_excerpts(situation.history, brief.traj_history_last_n) if excerpts else "",
        evidence_name=evidence.__name__,
        proposal=brief.policy.write(candidate.solution),
        reward=candidate.reward,
        evidence=evidence(candidate, brief),
    )


def critic_only_prompt(situation: Situation) -> str:
    """Write the prompt of CriticOnly: history with excerpts, and the rollout of the last trial."""
    brief = situation.brief
    last = situation.history[-1].rollout if situation.history else None
    return _render(
        "critic_only.j2",
        brief,
        history=write_history(situation.history, brief),
        excerpts=write_excerpts(situation.history, brief.traj_history_last_n),
        evidence="" if last is None else "\n".join([LATEST_HEADLINE, *raw_steps(last)]),
    )


def _render(name: str, brief: Brief, **values: object) -> str:
    """Fill a template, with the words for the kind of the policy family's solutions."""
    words = _template(f"{brief.policy.kind}/words.j2").module
    return _template(name).render(brief=brief, words=words, **values)


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
