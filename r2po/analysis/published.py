"""What papers report, to be shown beside our figures and never mixed with them.

The R2PO paper (arXiv:2605.08315): mean and sample standard deviation over 10 runs with the model gpt-oss:20b. The ProPS
paper (arXiv:2511.21928): best rewards of 10 runs with GPT-4o.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

from r2po.analysis.logs.built_in import method_facts
from r2po.analysis.output.scores import Score
from r2po.tasks import TASKS

SOURCE = "published: gpt-oss:20b, published protocol, 10 runs (arXiv:2605.08315)"
PROPS_SOURCE = (
    "published: GPT-4o, the ProPS paper's own settings, best rewards, 10 runs (arXiv:2511.21928), whose text calls "
    "its ± a standard deviation and whose caption a standard error"
)
SOURCES: Mapping[str, str] = MappingProxyType({"published": SOURCE, "props": PROPS_SOURCE})
"""Where the figures come from that ``--reference`` names."""
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


def reference_results(reference: str) -> Mapping[tuple[str, str, str], Score]:
    """Return the results that a key of ``SOURCES`` names, as ``published_results`` does."""
    return props_results() if reference == "props" else published_results()


def reference_environments(reference: str) -> set[str]:
    """Return the environments of a key of ``SOURCES`` that the package has; none if there is no reference."""
    return {key for key, *_ in reference_results(reference)} & set(TASKS) if reference else set()


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
def props_results() -> Mapping[tuple[str, str, str], Score]:
    """Return the ProPS paper's results, likewise; those of tasks that we lack are among them."""
    scores = {}
    for row in _rows("published_props_results.csv"):
        for method, column in (("props", "props"), ("propsp", "propsp"), ("sb3", "best_baseline")):
            label = _label(method, {"algorithm": row[column] if method == "sb3" else ""})
            score = Score(label, float(row[f"{column}_mean"]), float(row[f"{column}_std"]), RUNS)
            scores[row["environment"], method, "best_reward"] = score
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
