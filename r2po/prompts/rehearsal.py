"""All prompts that a method may write, with made-up trials and rollouts: whether a user's templates can be filled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import get_args

import numpy as np

from r2po.isolation.outcomes import Failure
from r2po.prompts.brief import Brief
from r2po.prompts.evidence import median_package, raw_rollout, three_rollouts
from r2po.prompts.history import Lines
from r2po.prompts.prompts import critic_only_prompt, critic_prompt, search_prompt
from r2po.prompts.rendering import FAILED, check_syntax
from r2po.prompts.rounds import Round, Rounds, feedback_prompt, reflection_prompt, repair_prompt, round_prompt
from r2po.rollout import Rollout, Rollouts
from r2po.trial import Candidate, Trial

_FAILURE = Failure("error", "ValueError: made up")
_STEPS = 9
_LINES: tuple[Lines, ...] = get_args(Lines)


@dataclass(frozen=True)
class _Situation:
    brief: Brief
    history: Sequence[Trial]
    iteration: int


def rehearse(brief: Brief, templates: Iterable[str] | None) -> None:
    """Write prompts from these templates, without and with a history; does nothing if no template is the user's.

    Args:
        brief: The experiment's facts.
        templates: Those that the method names; None for all that prompts begin with.

    Raises:
        InputError: In one line: a file of the folder is no template or cannot be filled, with file and line.
    """
    if brief.wording.own is None:
        return
    check_syntax(brief)
    names = list(_PROMPTS if templates is None else templates)
    if brief.policy.kind == "program":
        names += [FAILED] if any(name.startswith("critic_") for name in names) else []
    for name in names:
        for situation in (_Situation(brief, (), 1), _Situation(brief, _trials(brief), 2)):
            for write in _PROMPTS[name](situation) if name in _PROMPTS else ():
                write()


Write = Callable[[], str]


def _searches(situation: _Situation) -> Iterator[Write]:
    for described, lines in product((False, True), _LINES):
        yield partial(search_prompt, situation, described=described, lines=lines)


def _critics(situation: _Situation) -> Iterator[Write]:
    for evidence in (median_package, raw_rollout, three_rollouts):
        yield from _critics_with(evidence, situation)


def _critics_with(evidence: Callable[[Candidate, Brief], str], situation: _Situation) -> Iterator[Write]:
    candidate = _candidate(situation.brief)
    for lines, flag in product(_LINES, (False, True)):
        yield partial(
            critic_prompt,
            situation,
            candidate,
            evidence=evidence,
            lines=lines,
            excerpts=flag,
            no_repeats=flag,
            revision_rule=flag,
        )


def _only(situation: _Situation) -> Iterator[Write]:
    yield partial(critic_only_prompt, situation)


def _failed(situation: _Situation) -> Iterator[Write]:
    for lengths in ((), (3, 1)):
        candidate = _candidate(situation.brief, Rollouts.unfinished(lengths), _FAILURE)
        yield partial(critic_prompt, situation, candidate, evidence=median_package)


def _rounds(situation: _Situation, *, tuned: bool = False) -> Iterator[Write]:
    brief = situation.brief
    for rounds, candidates, evaluations in product(_some_rounds(situation), (1, 10), (None, 200)):
        yield partial(
            round_prompt,
            brief,
            rounds,
            iteration=situation.iteration,
            candidates=candidates,
            reward_source=brief.task.reward_source,
            evaluations=evaluations,
            tuned=tuned,
        )


def _feedback(situation: _Situation) -> Iterator[Write]:
    brief = situation.brief
    for only in (False, True):
        yield partial(
            feedback_prompt, brief, observations_only=only, modules=(), reward_source=brief.task.reward_source
        )


def _reflection(situation: _Situation) -> Iterator[Write]:
    for rounds in _some_rounds(situation):
        if rounds.kept:
            yield partial(reflection_prompt, situation.brief, rounds, reward_source=situation.brief.task.reward_source)


def _repair(situation: _Situation) -> Iterator[Write]:
    yield partial(repair_prompt, situation.brief, "The prompt.", "class Policy:\n    pass", _FAILURE)


_PROMPTS: Mapping[str, Callable[[_Situation], Iterator[Write]]] = {
    "search.j2": _searches,
    "critic_median_package.j2": partial(_critics_with, median_package),
    "critic_raw_rollout.j2": partial(_critics_with, raw_rollout),
    "critic_three_rollouts.j2": partial(_critics_with, three_rollouts),
    "critic.j2": _critics,
    "critic_only.j2": _only,
    FAILED: _failed,
    "promptpo_search.j2": _rounds,
    "promptpo_tuned_search.j2": partial(_rounds, tuned=True),
    "promptpo_feedback.j2": _feedback,
    "promptpo_reflection.j2": _reflection,
    "promptpo_repair.j2": _repair,
}
"""What writes the prompts that begin with each template."""


def _some_rounds(situation: _Situation) -> Sequence[Rounds]:
    if not situation.history:
        return [Rounds((), 3, 2)]
    kept = Round(1, "class Policy:\n    pass", (1.0, 2.0), 0.5, ("It went well.",), "Do more of it.", remark="Tuned.")
    broken = Round(2, failures=(_FAILURE.line, _FAILURE.line))
    return [Rounds((kept,), 3, None), Rounds((kept, broken), 3, 2)]


def _trials(brief: Brief) -> Sequence[Trial]:
    """Return a warm-up trial, an evaluated one, and one that failed if policies may."""
    rollout = _rollout(brief)
    solutions = [brief.policy.sample(np.random.default_rng(seed)) for seed in range(3)]
    failed = [Trial(solutions[2], solutions[2], -np.inf, warmup=False, failure=_FAILURE.line)]
    return [
        Trial(solutions[0], solutions[0], 1.5, warmup=True, rollout=rollout),
        Trial(solutions[1], solutions[1], -2.5, warmup=False, rollout=rollout),
        *(failed if brief.policy.kind == "program" else []),
    ]


def _candidate(brief: Brief, rollouts: Rollouts | None = None, failure: Failure | None = None) -> Candidate:
    solution = brief.policy.sample(np.random.default_rng(3))
    rollouts = rollouts or Rollouts.of([_rollout(brief, seed) for seed in range(brief.num_evaluation_episodes)])
    return Candidate("proposal", solution, solution, "", rollouts, failure=failure)


def _rollout(brief: Brief, seed: int = 0) -> Rollout:
    spaces = brief.spaces
    states = (_STEPS + 1,) if spaces.discrete_observation else (_STEPS + 1, spaces.observation_size)
    actions = (_STEPS,) if spaces.discrete_action else (_STEPS, spaces.action_size)
    return Rollout(
        seed,
        np.zeros(states, np.int64 if spaces.discrete_observation else np.float64),
        np.full(actions, spaces.first_action, np.int64 if spaces.discrete_action else np.float64),
        np.full(_STEPS, float(seed)),
        "terminated",
    )
