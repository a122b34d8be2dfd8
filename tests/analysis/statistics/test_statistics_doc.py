"""docs/statistics.md says what the code does."""

from __future__ import annotations

import re

from r2po.analysis.salience.edits import SCORES, THRESHOLDS
from r2po.analysis.significance.report import significance_rows, to_records
from r2po.analysis.statistics.shares import share_interval
from r2po.tasks import PUBLISHED, TASKS
from tests.analysis.statistics.documented import TEXT, rows


def test_random_rewards_are_those_of_the_cards() -> None:
    documented = {cells[0]: (float(cells[1]), float(cells[3])) for cells in rows("environment")[1:]}
    assert documented == {TASKS[name].label: (TASKS[name].random_reward, TASKS[name].optimum) for name in PUBLISHED}


def test_thresholds_of_edit_patterns() -> None:
    head, *body = rows("threshold")
    names = {TASKS[name].label: name for name in THRESHOLDS}
    assert set(head[1:]) == set(names)
    for name, *values in body:
        ours = [getattr(THRESHOLDS[names[label]], name.replace(" ", "_")) for label in head[1:]]
        assert [float(value) for value in values] == ours


def test_thresholds_on_the_scale_of_each_task() -> None:
    documented = {cells[0].replace(" ", "_"): float(cells[1]) for cells in rows("threshold | as normalised score")[1:]}
    assert documented == SCORES


def test_example_of_an_interval_of_a_share() -> None:
    for share, first in (("[0, 6.8 %]", 0), ("[0.08, 10.7 %]", 1)):
        low, high = share_interval([(first, 50)] + [(0, 50)] * 9) or (0.0, 0.0)
        assert f"[{100 * low:.1g}, {100 * high:.1f} %]" == share
        assert share in TEXT


def test_keys_of_a_significance_record() -> None:
    (record, *_) = to_records(significance_rows([], "mean_reward", "best"), None, "mean_reward")
    paragraph = TEXT[TEXT.index("JSON has a row per test") :].split("\n\n")[0]
    named = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`([^`]*)`", paragraph))))
    assert set(record) <= named
