from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from r2po.analysis.statistics.profile import performance_profile
from tests.analysis.statistics.oracles import EXAMPLES, TAUS, by_environment


def test_known_answer() -> None:
    profile = performance_profile([[0.0, 1.0], [0.5, 0.5]], [-1.0, 0.0, 0.5, 1.0], np.random.default_rng(0))
    # Larger than the threshold, not equal to it: at 0.5 only the run with 1.0.
    assert profile.share.tolist() == [1.0, 0.75, 0.25, 0.0]
    assert profile.low[0] == profile.high[0] == 1.0
    assert profile.low[3] == profile.high[3] == 0.0


def test_a_score_is_not_above_a_threshold_by_rounding() -> None:
    scores = [0.1 + 0.2, 0.3, float(np.nextafter(1.0, 2)), 1e-17]
    assert performance_profile([scores], [0.0, 0.3, 1.0], np.random.default_rng(0)).share.tolist() == [0.75, 0.25, 0.0]


def test_environments_count_the_same_whatever_their_runs() -> None:
    profile = performance_profile([np.ones(30), np.zeros(3)], [0.5], np.random.default_rng(0), resamples=10)
    assert profile.share.tolist() == [0.5]


def test_share_falls_and_lies_within_its_interval() -> None:
    generator = np.random.default_rng(3)
    profile = performance_profile(list(generator.normal(size=(5, 10))), np.linspace(-3, 3, 61), generator)
    assert (np.diff(profile.share) <= 0).all()
    assert (profile.low <= profile.share).all()
    assert (profile.share <= profile.high).all()


def test_interval_has_the_closed_form_width() -> None:
    # One environment, 400 runs, half above: a binomial share.
    profile = performance_profile([np.arange(400) % 2], [0.5], np.random.default_rng(0), resamples=10_000)
    assert profile.high[0] - profile.low[0] == pytest.approx(2 * 1.95996 * (0.25 / 400) ** 0.5, rel=0.06)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_agrees_with_rliable(example: dict[str, Any]) -> None:
    scores = by_environment(example["first"])
    profile = performance_profile(scores, TAUS, np.random.default_rng(0), resamples=50)
    np.testing.assert_allclose(profile.share, example["profile"], atol=1e-12)
