"""Compute with rliable what ours is compared with; prints the content of ``rliable_values.json``.

rliable needs older versions of what it builds on than this project does, hence an environment of its own:

    python3.11 -m venv /tmp/rliable
    /tmp/rliable/bin/pip install rliable==1.2.0 arch==5.6.0 pandas==2.3.3 numpy==1.26.4 scipy==1.17.1
    /tmp/rliable/bin/python tests/analysis/statistics/rliable_values.py > tests/analysis/statistics/rliable_values.json
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.random import RandomState

TAUS = (-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
REPS = 50_000


def examples() -> list[tuple[Any, Any]]:
    """Return pairs of (runs, environments) scores: skewed, with ties and outliers; run counts that 4 divides or not."""
    random = RandomState(0)
    drawn = [
        (random.normal(0.6, 0.4, (10, 7)), random.normal(0.4, 0.4, (10, 7))),
        (random.gamma(2.0, 0.4, (5, 3)), random.gamma(1.5, 0.4, (5, 3))),
        (random.binomial(4, 0.7, (3, 10)) / 4, random.binomial(4, 0.5, (3, 10)) / 4),
        (random.standard_t(2, (9, 1)), random.standard_t(2, (9, 1))),
    ]
    return [(np.round(first, 3), np.round(second, 3)) for first, second in drawn]


def record(first: Any, second: Any) -> dict[str, Any]:
    """Return rliable's figures of one pair."""
    library, metrics = import_module("rliable.library"), import_module("rliable.metrics")

    def all_of(scores: Any) -> Any:
        names = ("iqm", "median", "mean", "optimality_gap")
        return np.array([getattr(metrics, f"aggregate_{name}")(scores) for name in names])

    np.random.seed(1)  # noqa: NPY002 - rliable draws from NumPy's global generator, whatever it is given
    _, intervals = library.get_interval_estimates({"a": first}, all_of, reps=REPS)
    return {
        "first": first.tolist(),
        "second": second.tolist(),
        "iqm": float(metrics.aggregate_iqm(first)),
        "median": float(metrics.aggregate_median(first)),
        "mean": float(metrics.aggregate_mean(first)),
        "optimality_gap": float(metrics.aggregate_optimality_gap(first)),
        "intervals": dict(zip(("iqm", "median", "mean", "optimality_gap"), intervals["a"].T.tolist(), strict=True)),
        "probability_of_improvement": float(metrics.probability_of_improvement(first, second)),
        "profile": [float(library.run_score_deviation(first, tau)) for tau in TAUS],
    }


if __name__ == "__main__":
    versions = {name: version(name) for name in ("rliable", "arch", "pandas", "numpy", "scipy")}
    values = {"versions": versions, "taus": TAUS, "examples": [record(*pair) for pair in examples()]}
    json.dump(values, sys.stdout, indent=1)
    sys.stdout.write("\n")
