from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from r2po.analysis.logs.built_in import task_facts
from r2po.analysis.salience.edits import RULES, SCORES, THRESHOLDS, Edit, EditRules, Thresholds, measure_edit
from r2po.analysis.salience.figures import edits_figure
from r2po.analysis.salience.returns import Direction
from r2po.analysis.salience.tables import NO_THRESHOLDS, edits_table
from r2po.tasks import PUBLISHED
from tests.analysis.salience.made_revisions import revision

AS_PUBLISHED = EditRules(as_published=True)


def thresholds(environment: str, rules: EditRules = RULES) -> Thresholds:
    limits = rules.thresholds(task_facts(environment))
    assert limits is not None
    return limits


def score(environment: str, reward: float) -> float:
    task = task_facts(environment)
    assert task["optimum"] is not None
    assert task["random_reward"] is not None
    return (reward - task["random_reward"]) / (task["optimum"] - task["random_reward"])


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
    limits = thresholds("frozenlake")
    # From 0.9 to 0.8 is a tenth, which does not count as meaningful, though 0.9 - 0.8 is a little more.
    assert RULES.categorise("regression", edit, 0.9, 0.8 - 0.9, limits) == "other"
    assert RULES.categorise("improvement", edit, float(np.nextafter(0.8, 1)), 0.2, limits) == "pinpoint_fix"


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
    for rules in (RULES, AS_PUBLISHED):
        assert rules.categorise(direction, edit, initial, change, thresholds("cartpole", rules)) == expected


@pytest.mark.parametrize("change", [0.05, 50.0])
def test_an_improvement_without_an_edit_is_luck(change: float) -> None:
    edit = Edit((), 0.0, 0.0)
    assert RULES.categorise("improvement", edit, 300, change, thresholds("cartpole")) == "luck"
    published = AS_PUBLISHED.categorise("improvement", edit, 300, change, thresholds("cartpole"))
    assert published == ("pinpoint_fix" if change > 1 else "other")


def test_published_thresholds_stay_in_their_environments() -> None:
    for environment, limits in THRESHOLDS.items():
        assert thresholds(environment) == thresholds(environment, AS_PUBLISHED) == limits
    assert thresholds("nim", AS_PUBLISHED) == THRESHOLDS["cartpole"]


@pytest.mark.parametrize("environment", sorted({*PUBLISHED} - {*THRESHOLDS}))
def test_other_environments_have_thresholds_on_their_own_scale(environment: str) -> None:
    limits = thresholds(environment)
    scores = {name: score(environment, getattr(limits, name)) for name in ("partial", "high", "near_zero")}
    assert scores == pytest.approx({name: SCORES[name] for name in scores})
    whole = score(environment, 1.0) - score(environment, 0.0)
    assert limits.meaningful * whole == pytest.approx(SCORES["meaningful"])


@pytest.mark.parametrize(("name", "precision"), [("partial", 0.02), ("high", 0.01), ("near_zero", 0.005)])
def test_they_are_about_the_median_of_the_published_ones(name: str, precision: float) -> None:
    published = [score(environment, getattr(limits, name)) for environment, limits in THRESHOLDS.items()]
    assert SCORES[name] == pytest.approx(np.median(published), abs=precision)


def test_what_is_worse_than_the_random_policy_tells_nothing() -> None:
    edit, limits = Edit(tuple(range(8)), 1.0, 1.0), thresholds("nim")
    assert RULES.categorise("improvement", edit, -1.0, 1.0, limits) == "rescue_from_history"
    assert RULES.categorise("improvement", edit, -0.9, 1.0, limits) == "multi_state_fix"


def test_a_task_without_a_scale_has_no_thresholds_but_those_that_are_given() -> None:
    task = task_facts("some task from outside")
    assert RULES.thresholds(task) is None
    assert EditRules(changes={"high": 1.0}).thresholds(task) is None
    given = EditRules(changes=dict.fromkeys(SCORES, 1.0) | {"surgical": 2}).thresholds(task)
    assert given == Thresholds(1.0, 1.0, 1.0, 1.0, surgical=2)


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
    limits = thresholds("frozenlake", EditRules(changes={"high": 0.4, "surgical": 2}))
    assert (limits.high, limits.surgical) == (0.4, 2)
    assert (limits.partial, limits.near_zero, limits.meaningful) == (0.3, 0.05, 0.1)
    assert (limits.multi_state, limits.redesign) == (4, 8)


def test_without_thresholds_rows_say_so() -> None:
    found = [
        replace(
            revision(np.arange(8.0), np.arange(8.0) + change, environment="some task from outside"),
            edit=Edit((0,), 1.0, 1.0),
        )
        for change in (1.0, -1.0)
    ]
    table = edits_table([found], [])
    assert [row[3].text for row in table.cells] == [f"all; {NO_THRESHOLDS}"] * 2
    figure = edits_figure([found], "title", "caption")
    assert all("no thresholds" in {text.get_text() for text in axes.texts} for axes in figure.axes)
