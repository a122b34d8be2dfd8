from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from r2po.analysis.statistics.noise import false_alarms, mean_changes


def test_change_is_second_minus_first() -> None:
    change = mean_changes(np.array([[1.0, 3.0]]), np.array([[4.0, 4.0]]), np.random.default_rng(0), paired=True)
    assert change.value.tolist() == [2.0]
    assert (change.low[0], change.high[0]) == (1.0, 3.0)


def test_returns_that_do_not_vary_have_no_width() -> None:
    change = mean_changes(np.full((1, 20), 0.1), np.full((1, 20), 0.3), np.random.default_rng(0), paired=False)
    assert change.low[0] == change.high[0] == pytest.approx(0.2, rel=1e-15)


def test_pairing_takes_out_what_the_seeds_share() -> None:
    generator = np.random.default_rng(0)
    luck = generator.normal(0, 50, size=(1, 20))
    before, after = luck, luck - 1 + generator.normal(0, 0.1, size=(1, 20))
    paired = mean_changes(before, after, np.random.default_rng(1), paired=True)
    unpaired = mean_changes(before, after, np.random.default_rng(1), paired=False)
    assert paired.high[0] < 0 < unpaired.high[0]


def test_width_has_the_closed_form() -> None:
    generator = np.random.default_rng(2)
    before, after = generator.normal(0, 2, size=(1, 300)), generator.normal(0, 1, size=(1, 200))
    change = mean_changes(before, after, generator, paired=False, resamples=20_000)
    error = np.sqrt(before.var() / 300 + after.var() / 200)
    assert change.high[0] - change.low[0] == pytest.approx(2 * 1.95996 * error, rel=0.03)


def test_false_alarms_are_as_rare_as_the_level_says() -> None:
    generator = np.random.default_rng(3)
    before, after = generator.normal(size=(2, 2_500, 20))
    change = mean_changes(before, after, generator, paired=False)
    alarms = ((change.low > 0) | (change.high < 0)).mean()
    # Percentile intervals of 20 values are a little too narrow: about 6 to 7 % instead of 5 %.
    assert 0.04 < alarms < 0.085


@pytest.mark.parametrize(("rollouts", "paired"), [(20, False), (10, False), (20, True)])
def test_false_alarms_are_about_those_of_students_t(rollouts: int, paired: bool) -> None:
    """Percentile intervals are normal ones with the spread of n, where t has that of n - 1."""
    freedom = rollouts - 1 if paired else 2 * (rollouts - 1)
    expected = 2 * t.sf(1.959964 * np.sqrt((rollouts - 1) / rollouts), freedom)
    assert false_alarms(rollouts, rollouts, paired) == pytest.approx(expected, abs=0.013)


def test_few_rollouts_raise_more_false_alarms() -> None:
    assert false_alarms(3, 3, False) > 2 * false_alarms(20, 20, False)
    assert false_alarms(3, 3, False) == false_alarms(3, 3, False)


def test_nothing_gives_nothing() -> None:
    assert mean_changes(np.empty((0, 3)), np.empty((0, 3)), np.random.default_rng(0), paired=True).low.shape == (0,)


def test_shapes_and_numbers_are_checked() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="pairs need as many"):
        mean_changes(np.zeros((1, 2)), np.zeros((1, 3)), generator, paired=True)
    with pytest.raises(ValueError, match="expected returns of shape"):
        mean_changes(np.zeros((1, 2)), np.zeros((2, 2)), generator, paired=True)
    with pytest.raises(ValueError, match="must be finite"):
        mean_changes(np.array([[np.nan]]), np.zeros((1, 1)), generator, paired=False)


@pytest.mark.parametrize("paired", [True, False])
def test_rounding_is_no_change(paired: bool) -> None:
    before, after = np.full((1, 5), 0.1 + 0.2), np.full((1, 5), 0.3)
    change = mean_changes(before, after, np.random.default_rng(0), paired=paired)
    assert (change.low.tolist(), change.value.tolist(), change.high.tolist()) == ([0.0], [0.0], [0.0])
