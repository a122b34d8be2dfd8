"""ProPS+: prompted policy search that is told what it optimizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from r2po.methods.method import Method, style
from r2po.methods.step import Step
from r2po.prompts import Brief, search_prompt
from r2po.trial import Candidate


def propsp(step: Step) -> Candidate:
    """One proposal by a search that is told the environment; always kept."""
    return step.evaluate(step.ask("search", search_prompt(step, described=True)), "proposal")


def first_rollout_of_a_table(_: NDArray[np.float64], brief: Brief) -> int | None:
    """For tables, the history also shows each trial's first rollout."""
    return 0 if brief.policy.choices else None


METHOD = Method(
    "propsp",
    "ProPS+",
    propsp,
    style=style("#ab4b46", (4, 1.5), "^"),
    history_rollout=first_rollout_of_a_table,
    templates=("search.j2",),
)
