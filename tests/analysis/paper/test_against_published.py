"""Runs that are as good as the published ones differ from them as rarely as the level says: simulated."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from r2po.analysis.output.scores import Score, difference, z_score
from tests.analysis.statistics.documented import margin, off, percent, rows

PUBLISHED_RUNS = 10


def score(values: NDArray[np.float64]) -> Score:
    """Sum up (n,) values as tables do."""
    std = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return Score("", float(values.mean()), std, values.size)


def told_apart(runs: int, count: int) -> dict[str, float]:
    """Return in how many per cent of cases z and t call so many runs different from 10 published equal ones."""
    generator = np.random.default_rng([runs, 17])
    by_z, by_t = 0, 0
    for values in generator.normal(size=(count, runs + PUBLISHED_RUNS)):
        ours, theirs = score(values[:runs]), score(values[runs:])
        test, z = difference(ours, theirs), z_score(ours, theirs)
        by_t += test is not None and test.p <= 0.05
        by_z += z is not None and abs(z) > 1.96
    return {"by z": 100 * by_z / count, "by t": 100 * by_t / count}


def documented() -> dict[tuple[str, int], float]:
    head, *body = rows("our runs, as good as the published 10: called different at 0.05")
    cells = {(name, int(runs)): cell for name, *line in body for runs, cell in zip(head[1:], line, strict=True)}
    # Of a single run there is no test by t: it never finds a difference.
    return {key: percent(cell) if cell[0].isdigit() else 0.0 for key, cell in cells.items()}


@pytest.mark.parametrize("runs", [1, 2, 3])
def test_few_runs_find_no_more_than_they_may(runs: int) -> None:
    count = 3000
    found = told_apart(runs, count)
    assert found["by z"] == pytest.approx({1: 57, 2: 19, 3: 12}[runs], abs=margin(50, count))
    # Welch's test of three finds 6.4 %.
    assert found["by t"] < 6.4 + margin(6.4, count)


@pytest.mark.slow
def test_the_table_of_the_page_comes_out_again() -> None:
    count = 40_000
    simulated = {(name, runs): rate for runs in (1, 2, 3, 5, 10) for name, rate in told_apart(runs, count).items()}
    assert off(simulated, documented(), count, 0.1) == {}
    for runs in (5, 10):
        assert simulated["by t", runs] == pytest.approx(5.0, abs=margin(5, count))
