"""CMA-ES, the usual choice for continuous black-box problems of this size, by the reference library pycma."""

from __future__ import annotations

from typing import Any

import numpy as np

from r2po.methods.method import Method, style
from r2po.methods.search.black_box import Search, next_candidate
from r2po.methods.step import Step
from r2po.policies import NumericFamily, Parameters, Range
from r2po.trial import Candidate

INITIAL_STEP = 0.25
"""First standard deviation as a share of the interval's width, as pycma's documentation recommends."""


def cma_es(step: Step) -> Candidate:
    """One member of CMA-ES' present generation; always kept."""
    return next_candidate(step, covariance_matrix_adaptation)


def covariance_matrix_adaptation(
    policy: NumericFamily, start: Parameters | None, random: np.random.Generator
) -> Search:
    """Run CMA-ES with pycma's defaults (Hansen 2016, arXiv:1604.00772), population 4 + floor(3 ln n).

    The first mean is the best warm-up policy; without a warm-up, the centre of the interval. When pycma's own criteria
    say that a search is over (all returns equal, step size gone), it restarts at a random point.
    """
    values = policy.values
    assert isinstance(values, Range)
    return search_interval(values, policy.size, start, random)


def search_interval(values: Range, size: int, start: Parameters | None, random: np.random.Generator) -> Search:
    """Search ``size`` numbers of one interval, at least two, from ``start`` or the centre."""
    mean = start or ((values.low + values.high) / 2,) * size
    while True:
        strategy = _start(mean, values, random)
        while not strategy.stop():
            solutions = strategy.ask()
            costs = []
            for solution in solutions:
                reward = yield tuple(solution.tolist())
                costs.append(-reward)
            strategy.tell(solutions, costs)
        mean = tuple(random.uniform(values.low, values.high, size).tolist())


def _start(mean: Parameters, interval: Range, random: np.random.Generator) -> Any:
    import cma  # an optional dependency; launching such a run checks that it is installed

    options = {
        "bounds": [interval.low, interval.high],
        # Neither the global random state nor the clock: nan leaves the state alone.
        "seed": np.nan,
        "randn": lambda *shape: random.standard_normal(shape),
        # Nothing printed, nothing written, nothing read.
        "verbose": -9,
        "verb_log": 0,
        "signals_filename": "",
    }
    return cma.CMAEvolutionStrategy(list(mean), INITIAL_STEP * (interval.high - interval.low), options)


METHOD = Method(
    "cma_es",
    "CMA-ES",
    cma_es,
    calls=0,
    style=style("#a2741d", (6, 1.5, 1, 1.5), "p"),
    searches="real parameters",
    package="cma",
)
