"""ProPS, numeric prompted policy search, and ProPS+, which is told what it optimizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from r2po.methods.method import Method, style
from r2po.methods.step import Step
from r2po.prompts import Brief, search_prompt
from r2po.trial import Candidate


def props(step: Step) -> Candidate:
    """One proposal from the history of parameters and rewards; always kept."""
    return step.evaluate(step.ask("search", search_prompt(step)), "proposal")


def propsp(step: Step) -> Candidate:
    """One proposal by a search that is told the environment; always kept."""
    return step.evaluate(step.ask("search", search_prompt(step, described=True)), "proposal")


def first_rollout_of_a_table(_: NDArray[np.float64], brief: Brief) -> int | None:
    """For tables, the history of ProPS+ also shows each trial's first rollout."""
    return 0 if brief.policy.choices else None


METHODS = (
    Method(
        "props",
        "ProPS",
        props,
        style=style("#01a68f", (1.2, 1.2), "s"),
        templates=("search.j2",),
        describes=False,
    ),
    Method(
        "propsp",
        "ProPS+",
        propsp,
        style=style("#ab4b46", (4, 1.5), "^"),
        history_rollout=first_rollout_of_a_table,
        templates=("search.j2",),
    ),
)
