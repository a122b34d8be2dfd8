"""The figures of the R2PO paper (arXiv:2605.08315), to be shown beside ours and never mixed with them.

Mean and sample standard deviation over 10 runs with the model gpt-oss:20b.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

SOURCE = "published: gpt-oss:20b, published protocol, 10 runs (arXiv:2605.08315)"
RUNS = 10


class Published(NamedTuple):
    """A published figure.

    Attributes:
        mean: Mean over runs.
        std: Sample standard deviation over runs.
        runs: Number of runs.
        algorithm: Algorithm of Stable-Baselines3, the best one; empty for other methods.
    """

    mean: float
    std: float
    runs: int
    algorithm: str


@cache
def published_results() -> Mapping[tuple[str, str, str], Published]:
    """Return the published results by environment, method ("sb3" for the best of Stable-Baselines3) and metric."""
    return {
        (row["environment"], row["method"].removesuffix("_best"), row["metric"]): Published(
            float(row["mean"]), float(row["std"]), int(row["runs"]), row["algorithm"]
        )
        for row in _rows("published_results.csv")
    }


@cache
def published_tau_c() -> Mapping[tuple[str, str, str], Published]:
    """Return the published sensitivity analysis by environment, setting ("default", "half", "none") and metric."""
    return {
        (row["environment"], row["setting"], row["metric"]): Published(float(row["mean"]), float(row["std"]), RUNS, "")
        for row in _rows("published_tau_c.csv")
    }


def _rows(name: str) -> list[dict[str, str]]:
    text = files("r2po.data").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
