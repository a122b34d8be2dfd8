"""What the R2PO paper reports (arXiv:2605.08315), to be shown beside our figures and never mixed with them.

Mean and sample standard deviation over 10 runs with the model gpt-oss:20b.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from r2po.analysis.logs.built_in import method_facts
from r2po.analysis.output.scores import Score

SOURCE = "published: gpt-oss:20b, published protocol, 10 runs (arXiv:2605.08315)"
RUNS = 10


class PublishedTest(NamedTuple):
    """A published test of R2PO against a baseline on one environment.

    Attributes:
        label: Name of the baseline, for SB3 with its algorithm.
        gap: Mean of R2PO minus mean of the baseline.
        t: Welch's t.
        p: Its p.
        holm_p: p corrected within the baseline's family: its tests on all environments, of SB3 those of the best
            algorithm of each.
    """

    label: str
    gap: float
    t: float
    p: float
    holm_p: float


class PublishedSalience(NamedTuple):
    """Published counts of ThreeTraj on one environment."""

    iterations: int
    regressions: int
    old: int
    strict: int
    old_mention: int
    strict_mention: int


@cache
def published_results() -> Mapping[tuple[str, str, str], Score]:
    """Return the published results by environment, method ("sb3" for the best of Stable-Baselines3) and metric."""
    scores = {}
    for row in _rows("published_results.csv"):
        method = row["method"].removesuffix("_best")
        score = Score(_label(method, row), float(row["mean"]), float(row["std"]), int(row["runs"]))
        scores[row["environment"], method, row["metric"]] = score
    return scores


@cache
def published_tau_c() -> Mapping[tuple[str, str, str], Score]:
    """Return the published sensitivity analysis by environment, setting ("default", "half", "none") and metric."""
    return {
        (row["environment"], row["setting"], row["metric"]): Score("R2PO", float(row["mean"]), float(row["std"]), RUNS)
        for row in _rows("published_tau_c.csv")
    }


@cache
def published_tests() -> Mapping[tuple[str, str, str], PublishedTest]:
    """Return the published tests by environment, method of the baseline and metric."""
    tests = {}
    for row in _rows("published_significance.csv"):
        method = row["baseline"].removesuffix("_best")
        numbers = [float(row[key]) for key in ("gap", "welch_t", "raw_p", "holm_p")]
        tests[row["environment"], method, row["metric"]] = PublishedTest(_label(method, row), *numbers)
    return tests


@cache
def published_salience() -> Mapping[str, PublishedSalience]:
    """Return the published counts by environment."""
    keys = ("iterations", "regressions", "old_proxy", "strict_proxy", "old_with_mention", "strict_with_mention")
    rows = _rows("published_salience.csv")
    return {row["environment"]: PublishedSalience(*(int(row[key]) for key in keys)) for row in rows}


def _label(method: str, row: Mapping[str, str]) -> str:
    label = method_facts(method)["label"]
    return f"{label}-{row['algorithm']}" if row["algorithm"] else label


def _rows(name: str) -> list[dict[str, str]]:
    text = files("r2po.data").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
