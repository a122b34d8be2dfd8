from __future__ import annotations

import numpy as np
import pytest

from r2po.analysis.salience.edits import PUBLISHED_RULES, Direction, Edit, EditRules, categorise, measure_edit


def test_linear_parameters_change_beyond_a_twentieth() -> None:
    edit = measure_edit(np.zeros(4), np.array([0.05, 0.06, -3.0, 0.0]), tabular=False)
    assert edit is not None
    assert edit.changed == (1, 2)
    assert edit.largest == 3.0
    # The distance is over all parameters, small changes included.
    assert edit.l2 == pytest.approx(np.sqrt(0.05**2 + 0.06**2 + 9))


@pytest.mark.parametrize("base", [0.0, 1.0, 0.3, 100.0])
def test_a_change_of_exactly_a_twentieth_is_none_wherever_it_starts(base: float) -> None:
    edit = measure_edit(np.array([base]), np.array([base + 0.05]), tabular=False)
    assert edit is not None
    assert edit.changed == ()


def test_thresholds_are_not_passed_by_rounding() -> None:
    edit = Edit((0,), 1.0, 1.0)
    limits = PUBLISHED_RULES.thresholds("frozenlake")
    # From 0.9 to 0.8 is a tenth, which does not count as meaningful, though 0.9 - 0.8 is a little more.
    assert categorise("regression", edit, 0.9, 0.8 - 0.9, limits) == "other"
    assert categorise("improvement", edit, float(np.nextafter(0.8, 1)), 0.2, limits) == "pinpoint_fix"


def test_tables_change_by_any_difference() -> None:
    edit = measure_edit(np.array([0.0, 1.0]), np.array([0.01, 1.0]), tabular=True)
    assert edit is not None
    assert edit.changed == (0,)


def test_vectors_that_do_not_fit_have_no_edit() -> None:
    assert measure_edit(np.zeros(3), np.zeros(4), tabular=False) is None
    assert measure_edit(np.empty(0), np.empty(0), tabular=False) is None


@pytest.mark.parametrize(
    ("direction", "changed", "initial", "change", "expected"),
    [
        ("regression", 0, 500, -400, "pure_stochasticity"),
        ("regression", 1, 451, -0.2, "near_optimal_broken"),
        ("regression", 1, 450, -0.2, "small_fix_backfires"),
        ("regression", 3, 201, -0.2, "small_fix_backfires"),
        ("regression", 4, 201, -0.2, "other"),
        ("regression", 3, 201, -0.1, "other"),
        ("regression", 8, 20, -0.01, "uninformed_redesign"),
        ("regression", 8, -20, -5, "uninformed_redesign"),
        ("regression", 7, 20, -5, "other"),
        ("improvement", 3, 451, 0.2, "fine_tuning"),
        ("improvement", 3, 201, 0.2, "pinpoint_fix"),
        ("improvement", 8, 20, 0.2, "rescue_from_history"),
        ("improvement", 4, 21, 0.2, "multi_state_fix"),
        ("improvement", 3, 21, 0.2, "other"),
        ("improvement", 3, 451, 0.1, "other"),
        ("no_change", 5, 451, 0.0, "no_change"),
    ],
)
def test_patterns_on_cartpole(direction: Direction, changed: int, initial: float, change: float, expected: str) -> None:
    edit = Edit(tuple(range(changed)), 1.0, 1.0)
    assert categorise(direction, edit, initial, change, PUBLISHED_RULES.thresholds("cartpole")) == expected


def test_environments_without_thresholds_use_those_of_cartpole() -> None:
    assert PUBLISHED_RULES.thresholds("nim") == PUBLISHED_RULES.thresholds("cartpole")
    assert PUBLISHED_RULES.thresholds("pong").high == 2.8
    assert PUBLISHED_RULES.thresholds("frozenlake").partial == 0.3


@pytest.mark.parametrize(
    ("rules", "tabular", "changed"),
    [
        (EditRules("auto"), False, (1, 2)),
        (EditRules("auto"), True, (0, 1, 2)),
        (EditRules("continuous"), True, (1, 2)),
        (EditRules("discrete"), False, (0, 1, 2)),
        (EditRules(epsilon=0.5), False, (2,)),
        (EditRules("continuous", 3.0), True, ()),
        (EditRules("discrete", 3.0), True, (0, 1, 2)),
    ],
)
def test_what_counts_as_changed_can_be_said(rules: EditRules, tabular: bool, changed: tuple[int, ...]) -> None:
    edit = measure_edit(np.zeros(4), np.array([0.05, 0.5, -3.0, 0.0]), tabular=tabular, rules=rules)
    assert edit is not None
    assert edit.changed == changed


def test_thresholds_can_be_set_for_all_environments() -> None:
    limits = EditRules(changes={"high": 0.4, "surgical": 2}).thresholds("frozenlake")
    assert (limits.high, limits.surgical) == (0.4, 2)
    assert (limits.partial, limits.near_zero, limits.meaningful) == (0.3, 0.05, 0.1)
    assert (limits.multi_state, limits.redesign) == (4, 8)
