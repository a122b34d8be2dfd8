"""What a revision changed, and which pattern that makes together with the change of reward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from r2po.analysis.logs.run_data import Floats
from r2po.analysis.salience.returns import Direction
from r2po.rounding import exceeds
from r2po.runlog.facts import TaskFacts

DistanceMode = Literal["auto", "continuous", "discrete"]

SMALLEST_CHANGE = 0.05
"""A real-valued parameter counts as changed beyond this; a number of a table if it changed at all."""

OTHER = "other"


@dataclass(frozen=True)
class Thresholds:
    """What counts as what in an environment: in units of its reward, or in changed parameters.

    Attributes:
        partial: Above, a policy works in part.
        high: Above, it is close to optimal.
        near_zero: Up to this, its rollouts tell nothing.
        meaningful: Above, a change of reward counts.
        surgical: The most changed parameters of a surgical edit.
        multi_state: The fewest of one that concerns several states.
        redesign: The fewest of a redesign.
    """

    partial: float
    high: float
    near_zero: float
    meaningful: float
    surgical: int = 3
    multi_state: int = 4
    redesign: int = 8


_CARTPOLE = Thresholds(partial=200, high=450, near_zero=20, meaningful=0.1)

THRESHOLDS: Mapping[str, Thresholds] = MappingProxyType(
    {
        "cartpole": _CARTPOLE,
        "pong": Thresholds(partial=1.0, high=2.8, near_zero=0.2, meaningful=0.1),
        "frozenlake": Thresholds(partial=0.3, high=0.8, near_zero=0.05, meaningful=0.1),
    }
)
"""The published ones, in the environments that they were made for."""

SCORES: Mapping[str, float] = MappingProxyType({"partial": 0.3, "high": 0.9, "near_zero": 0.01, "meaningful": 0.03})
"""Thresholds of other environments as normalised scores: about the median of the published ones on that scale."""

CATEGORIES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "regression": {
            "pure_stochasticity": "no edit: pure stochasticity",
            "near_optimal_broken": "breaks a near-optimal policy",
            "small_fix_backfires": "small fix that backfires",
            "uninformed_redesign": "full redesign on uninformative rollouts",
            OTHER: "other",
        },
        "improvement": {
            "luck": "no edit: luck",
            "fine_tuning": "fine-tunes a near-optimal policy",
            "pinpoint_fix": "pinpoint fix",
            "rescue_from_history": "rescue from history",
            "multi_state_fix": "targeted multi-state fix",
            OTHER: "other",
        },
    }
)
"""Patterns of each direction in the order in which they are tried, with their names in tables."""


@dataclass(frozen=True)
class Edit:
    """Which parameters differ between two vectors, the vectors' distance, and the largest absolute change of one."""

    changed: tuple[int, ...]
    l2: float
    largest: float

    @property
    def count(self) -> int:
        """Number of changed parameters."""
        return len(self.changed)


@dataclass(frozen=True)
class EditRules:
    """How edits are measured and sorted into patterns.

    Attributes:
        distance_mode: Whether a parameter counts as changed beyond ``epsilon``, "continuous", or if it changed at all,
            "discrete"; "auto" takes the latter for tables.
        epsilon: The largest change of a parameter that counts as none.
        changes: Thresholds that all environments have in place of their own ones, by field.
        as_published: Whether all environments use the published thresholds, CartPole's where there are none; rollouts
            tell nothing up to an absolute reward; and an improvement without an edit may have any pattern.
    """

    distance_mode: DistanceMode = "auto"
    epsilon: float = SMALLEST_CHANGE
    changes: Mapping[str, float] = field(default_factory=dict)
    as_published: bool = False

    def thresholds(self, task: TaskFacts) -> Thresholds | None:
        """Return the thresholds of an environment; None if its scale of rewards is not known."""
        limits = THRESHOLDS.get(task["name"]) or (_CARTPOLE if self.as_published else _scaled(task))
        if limits is not None:
            return replace(limits, **self.changes)  # type: ignore[arg-type]
        return Thresholds(**self.changes) if self.changes.keys() >= SCORES.keys() else None  # type: ignore[arg-type]

    def smallest_change(self, *, tabular: bool) -> float:
        """Return beyond which change a parameter counts as changed."""
        is_discrete = tabular if self.distance_mode == "auto" else self.distance_mode == "discrete"
        return 0.0 if is_discrete else self.epsilon

    def categorise(self, direction: Direction, edit: Edit, initial: float, change: float, limits: Thresholds) -> str:
        """Return the pattern of a revision, a key of ``CATEGORIES[direction]``, or "no_change".

        ``initial`` is the reward of the first proposal, ``change`` that of the revision minus it.
        """
        # A change is as precise as what it is the difference of.
        meaningful = bool(exceeds(abs(change), limits.meaningful, max(abs(initial), abs(initial + change))))
        uninformative = not exceeds(abs(initial) if self.as_published else initial, limits.near_zero)
        if direction == "regression":
            return _regression(edit, initial, limits, meaningful=meaningful, uninformative=uninformative)
        if direction == "no_change":
            return direction
        if not (edit.count or self.as_published):
            return "luck"
        return _improvement(edit, initial, limits, uninformative=uninformative) if meaningful else OTHER


RULES = EditRules()


def _scaled(task: TaskFacts) -> Thresholds | None:
    """Return the thresholds of an environment whose random and target rewards are known."""
    target, random = task["optimum"], task["random_reward"]
    if target is None or random is None or target <= random:
        return None
    partial, high, near_zero = (random + SCORES[name] * (target - random) for name in ("partial", "high", "near_zero"))
    return Thresholds(partial, high, near_zero, SCORES["meaningful"] * (target - random))


def measure_edit(initial: Floats, revised: Floats, *, tabular: bool, rules: EditRules = RULES) -> Edit | None:
    """Return how (n,) parameters were changed; None if their numbers differ or there are none."""
    if initial.shape != revised.shape or not initial.size:
        return None
    change = np.abs(revised - initial)
    largest = float(max(np.abs(initial).max(), np.abs(revised).max()))
    smallest = rules.smallest_change(tabular=tabular)
    changed = np.flatnonzero(exceeds(change, smallest, largest) if smallest else change > 0.0)
    return Edit(tuple(changed.tolist()), float(np.sqrt(np.square(change).sum())), float(change.max()))


def _regression(edit: Edit, initial: float, limits: Thresholds, *, meaningful: bool, uninformative: bool) -> str:
    if not edit.count:
        return "pure_stochasticity"
    if exceeds(initial, limits.high) and meaningful:
        return "near_optimal_broken"
    if exceeds(initial, limits.partial) and edit.count <= limits.surgical and meaningful:
        return "small_fix_backfires"
    if uninformative and edit.count >= limits.redesign:
        return "uninformed_redesign"
    return OTHER


def _improvement(edit: Edit, initial: float, limits: Thresholds, *, uninformative: bool) -> str:
    surgical = edit.count <= limits.surgical
    if exceeds(initial, limits.high) and surgical:
        return "fine_tuning"
    if exceeds(initial, limits.partial) and surgical:
        return "pinpoint_fix"
    if uninformative and edit.count >= limits.redesign:
        return "rescue_from_history"
    if exceeds(initial, limits.near_zero) and edit.count >= limits.multi_state:
        return "multi_state_fix"
    return OTHER
