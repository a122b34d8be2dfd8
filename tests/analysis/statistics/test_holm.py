from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.analysis.statistics.holm import holm

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_known_answer() -> None:
    # 0.01 x 4; 0.03 x 3; 0.04 x 2 is less than 0.09, so 0.09; 0.9 x 1.
    assert holm([0.03, 0.01, 0.9, 0.04]).tolist() == pytest.approx([0.09, 0.04, 0.9, 0.09])


def test_nothing_and_one() -> None:
    assert holm([]).tolist() == []
    assert holm([0.3]).tolist() == [0.3]


@pytest.mark.slow  # it takes seconds to import
@settings(max_examples=100)
@given(probabilities)
def test_agrees_with_statsmodels(p: list[float]) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is not installed")
    np.testing.assert_allclose(holm(p), multitest.multipletests(p, method="holm")[1], rtol=1e-12, atol=1e-300)


@given(probabilities)
def test_order_does_not_matter(p: list[float]) -> None:
    order = np.random.default_rng(len(p)).permutation(len(p))
    np.testing.assert_array_equal(holm(np.array(p)[order]), holm(p)[order])


@given(probabilities)
def test_bounds(p: list[float]) -> None:
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()


@pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan])
def test_what_is_no_probability_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        holm([0.5, bad])
