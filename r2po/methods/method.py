"""What a method is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from r2po.errors import InputError
from r2po.methods.step import Step
from r2po.policies import FAMILIES
from r2po.prompts import Brief
from r2po.rollout import closest
from r2po.runlog.facts import GREY, MethodFacts, Pair, Style, pair, style, style_problem
from r2po.trial import Candidate

__all__ = ["EVALUATION_BUDGET", "Method", "PerIteration", "closest_to_mean", "pair", "style"]

EVALUATION_BUDGET = 200
"""Evaluations of a full run in the paper, whatever the method."""

PerIteration = int | Callable[[Mapping[str, Any]], int] | None
"""A number, or a function of the config, given by key; None: one for each stage of the method's pair, else 1.

A function is called with the config filled in. Where the number of iterations follows from what it returns,
``num_iterations`` is ``EVALUATION_BUDGET`` in that call.
"""


def closest_to_mean(returns: NDArray[np.float64], _: Brief) -> int:
    """Pick the rollout whose return is closest to the mean, for ``Method.history_rollout``."""
    return closest(returns, float(returns.mean()))


@dataclass(frozen=True)
class Method:
    """An optimizer, given by what it does in one iteration.

    Attributes:
        name: Value of the config key ``method``.
        label: Name in tables and figures.
        iterate: Runs one iteration and returns the accepted candidate.
        calls: LLM calls of one iteration; 0 for a method that asks no model.
        evaluations: Candidates of one iteration, each rolled out K times.
        roles: The roles that it asks, as in ``step.ask``; without effect if it asks no model.
        pair: The stages of proposal and revision, if each iteration has both, for the analysis of revisions.
        style: How it looks in figures; r2po/analysis/output/style.py says how the styles here were chosen.
        revision_rule: Whether prompts tell the critic from which reward to change little
            (``critic_llm_conservative_threshold``, tau_c); the analysis of tau_c shows such methods.
        history_rollout: Takes a trial's returns and gives the index of the rollout that the history shows with it, or
            None; left out if the method never shows one.
        repeats_prompts: Whether it asks for several samples of one prompt; a search for programs does unless it has one
            candidate.
        shows_excerpts: Whether prompts show excerpts of the latest trials' rollouts (``traj_history_last_n``).
        templates: The templates that its prompts are made from, without what these include: runs with other ones are
            not continued or averaged unnoticed. Empty if it uses none of this package's; None stands for all of them.
        searches: The only kind of policies that it can search; empty for all.
        paired: Whether all candidates of an iteration are rolled out from the same seeds under every protocol.
        keeps_by: What makes a policy the best of a run: its mean return, or ``Candidate.score``.
        is_spent: Whether a run ends before its next iteration, given the config by key and the lines of the iterations
            so far; None if nothing but their number ends it.
        package: An optional dependency that it needs; empty for none.
        chooses_by_mean: Whether it accepts the candidate with the best of several noisy means, so that its rewards are
            biased upwards and accepted candidates are re-evaluated. None: if an iteration has several candidates.
        describes: Whether its prompts describe the environment. One that does not, or that asks no model, needs no
            description of it; prompts for policies that are programs always describe it.
        tunes: Whether it tunes the constants of programs, as ``tune_evaluations`` and ``tune_episodes`` say.
    """

    name: str
    label: str
    iterate: Callable[[Step], Candidate]
    calls: PerIteration = None
    evaluations: PerIteration = None
    roles: tuple[str, ...] = ("search",)
    pair: Pair | None = None
    style: Style = field(default_factory=lambda: GREY)
    revision_rule: bool = False
    history_rollout: Callable[[NDArray[np.float64], Brief], int | None] | None = None
    repeats_prompts: bool = False
    shows_excerpts: bool = False
    templates: tuple[str, ...] | None = None
    searches: Literal["", "tables", "real parameters", "programs"] = ""
    paired: bool = False
    keeps_by: Literal["reward", "score"] = "reward"
    is_spent: Callable[[Mapping[str, Any], Sequence[Mapping[str, Any]]], bool] | None = None
    package: str = ""
    chooses_by_mean: bool | None = None
    tunes: bool = False
    describes: bool = True

    @property
    def asks_model(self) -> bool:
        """Whether it asks a language model; otherwise it is a numerical optimizer."""
        return self.calls != 0

    def __post_init__(self) -> None:
        """Refuse a style that cannot be drawn, and numbers that cannot be; some are checked with the config."""
        if problem := style_problem(self.style):
            raise InputError(f"method {self.name!r}: {problem}")
        if not callable(self.calls):
            self.calls_per_iteration({})
        if not callable(self.evaluations):
            self.evaluations_per_iteration({})

    def calls_per_iteration(self, config: Mapping[str, Any]) -> int:
        """Return the LLM calls of one iteration under a config, given by key."""
        return self._number("calls", self.calls, 0, config)

    def evaluations_per_iteration(self, config: Mapping[str, Any]) -> int:
        """Return the candidates of one iteration under a config, given by key."""
        return self._number("evaluations", self.evaluations, 1, config)

    def default_iterations(self, config: Mapping[str, Any]) -> int:
        """Return the iterations that spend the paper's budget of evaluations, at least 1, or that no run exceeds."""
        if config.get("budget") == "evaluations":  # those end the run; an iteration may take any number of them
            return EVALUATION_BUDGET
        unsettled = {**config, "num_iterations": EVALUATION_BUDGET}
        return max(EVALUATION_BUDGET // self.evaluations_per_iteration(unsettled), 1)

    def facts(self, config: Mapping[str, Any]) -> MethodFacts:
        """Return what logs record of it, so that they can be read without this code."""
        return {
            "name": self.name,
            "label": self.label,
            "style": self.style,
            "calls_per_iteration": self.calls_per_iteration(config),
            "evaluations_per_iteration": self.evaluations_per_iteration(config),
            "roles": self.roles if self.asks_model else (),
            "pair": self.pair,
            "revision_rule": self.revision_rule,
            "searches": self.searches,
            "chooses_by_mean": self.needs_reevaluation(config),
        }

    def needs_reevaluation(self, config: Mapping[str, Any]) -> bool:
        """Return whether rewards are biased by a choice between noisy means under a config, given by key."""
        if self.chooses_by_mean is None:
            return self.evaluations_per_iteration(config) > 1
        return self.chooses_by_mean

    def tells_of_task(self, policy: str | None) -> bool:
        """Whether its prompts describe the environment, with policies of a family; None for any that are numbers."""
        programs = policy is not None and FAMILIES[policy].kind == "program"
        return self.asks_model and (self.describes or programs)

    def fits(self, policy: str) -> bool:
        """Whether it can search the policies of a family."""
        if FAMILIES[policy].kind == "program":
            return self.searches in ("", "programs")
        return not self.searches or self.searches == ("tables" if policy == "tabular" else "real parameters")

    def _number(self, what: str, given: PerIteration, least: int, config: Mapping[str, Any]) -> int:
        if given is None:
            return 2 if self.pair else 1
        number = given(config) if callable(given) else given
        if not isinstance(number, int) or number < least:
            raise InputError(
                f"method {self.name!r}: {what} per iteration is {number!r}; expected a whole number, at least {least}"
            )
        return number
