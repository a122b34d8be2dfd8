"""The prompts: which template each is, and what fills it.

Order in every prompt: fixed text, then the history, then what belongs to this iteration. So consecutive prompts of one
role share a long prefix, which servers reuse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from r2po.prompts import compact_evidence, compact_history
from r2po.prompts.brief import Brief, Situation, shown
from r2po.prompts.evidence import numbered_steps
from r2po.prompts.history import Lines, write_excerpts, write_history
from r2po.prompts.places import Marked, in_prompt
from r2po.prompts.rendering import render
from r2po.trial import Candidate, Trial, moved

LATEST_HEADLINE = "A recent rollout, length {} steps. Each line is step: state | action | reward:"


class Evidence(Protocol):
    """Writes what a critic sees of a candidate's rollouts; a function of ``r2po.prompts.evidence``."""

    __name__: str

    def __call__(self, candidate: Candidate, brief: Brief, /) -> str:
        """Return the text."""


def search_prompt(
    situation: Situation,
    *,
    described: bool = False,
    lines: Lines = "values",
    history: Sequence[Trial] | None = None,
) -> str:
    """Write the Search-LLM's prompt.

    Args:
        situation: Where the experiment stands.
        described: Name the environment and describe it (ProPS+); else the search is a black-box maximization.
        lines: How trials are written, see ``Lines``.
        history: The trials to show instead of the situation's (ActorSecondPass).
    """
    brief = situation.brief
    trials = situation.history if history is None else history
    with_rollouts = described and bool(brief.policy.choices)
    written = _history(trials, brief, lines, with_rollouts=with_rollouts)
    return _rendered("search.j2", brief, written, described=described, lines=lines, iteration=situation.iteration)


def critic_prompt(
    situation: Situation,
    candidate: Candidate,
    *,
    evidence: Evidence,
    lines: Lines = "rewards",
    excerpts: bool = False,
    no_repeats: bool = False,
    revision_rule: bool = False,
) -> str:
    """Write the Critic-LLM's prompt about a candidate.

    Args:
        situation: Where the experiment stands.
        candidate: The evaluated proposal.
        evidence: What the critic sees of its rollouts; its name also chooses the template.
        lines: How trials are written, see ``Lines``.
        excerpts: Show excerpts of the rollouts of the latest trials.
        no_repeats: Ask not to repeat what was tried earlier.
        revision_rule: State the revision rule, if there is a threshold.
    """
    brief = situation.brief
    if candidate.failure is not None:
        return _repair_prompt(situation, candidate, lines)
    return _rendered(
        f"critic_{evidence.__name__}.j2",
        brief,
        _history(situation.history, brief, lines),
        no_repeats=no_repeats,
        revision_rule=revision_rule,
        lines=lines,
        excerpts=_excerpts(situation.history, brief) if excerpts else "",
        proposal=_proposal(candidate, brief),
        reward=compact_history.value(candidate.reward) if _is_compact(brief) else candidate.reward,
        evidence=_shown_of(evidence, brief)(candidate, brief),
    )


def _repair_prompt(situation: Situation, candidate: Candidate, lines: Lines) -> str:
    """Write the Critic-LLM's prompt about a candidate that failed: there is a failure instead of evidence."""
    assert candidate.failure is not None
    brief = situation.brief
    return _rendered(
        "critic_failed.j2",
        brief,
        _history(situation.history, brief, lines),
        lines=lines,
        proposal=_proposal(candidate, brief),
        failure=candidate.failure,
        steps=candidate.rollouts.lengths.tolist(),
    )


def critic_only_prompt(situation: Situation) -> str:
    """Write the prompt of CriticOnly: history with excerpts, and the rollout of the last trial."""
    brief = situation.brief
    return _rendered(
        "critic_only.j2",
        brief,
        _history(situation.history, brief, "rewards"),
        lines="rewards",
        excerpts=_excerpts(situation.history, brief, but_the_last=True),
        evidence=_latest(situation.history[-1], brief) if situation.history else "",
    )


def _rendered(name: str, brief: Brief, history: Marked, **values: object) -> Marked:
    """Fill a template that shows a history."""
    return in_prompt(render(name, brief, history=history, **values), history)


def _latest(trial: Trial, brief: Brief) -> str:
    """Write the rollout of a trial, or why there is none; empty if it was not kept."""
    if trial.failure:
        return f"(none: the latest policy failed: {trial.failure})"
    rollout = trial.rollout
    if rollout is not None and _is_compact(brief):
        return compact_evidence.latest(rollout, brief)
    return (
        "" if rollout is None else "\n".join([LATEST_HEADLINE.format(rollout.length), *numbered_steps(rollout, brief)])
    )


def _is_compact(brief: Brief) -> bool:
    return brief.wording.style == "compact"


def _history(trials: Sequence[Trial], brief: Brief, lines: Lines, *, with_rollouts: bool = False) -> Marked:
    write = compact_history.write_history if _is_compact(brief) else write_history
    return write(trials, brief, lines, with_rollouts=with_rollouts)


def _excerpts(trials: Sequence[Trial], brief: Brief, *, but_the_last: bool = False) -> str:
    """Write the excerpts; compact prompts leave out that of the last trial if they show all of its rollout."""
    if _is_compact(brief):
        return compact_history.write_excerpts(trials, brief, but_the_last=but_the_last)
    return write_excerpts(trials, brief)


def _proposal(candidate: Candidate, brief: Brief) -> str:
    solution = shown(candidate, brief)
    if not _is_compact(brief):
        return brief.policy.write(solution, 3)
    return brief.policy.write_compactly(solution) + compact_history.moved_note(moved(candidate.raw, candidate.solution))


def _shown_of(evidence: Evidence, brief: Brief) -> Callable[[Candidate, Brief], str]:
    """Return what writes the evidence in the brief's style; that of a method from elsewhere has but one."""
    return compact_evidence.COMPACT.get(evidence.__name__, evidence) if _is_compact(brief) else evidence
