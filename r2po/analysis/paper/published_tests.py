"""The published significance tests and salience counts, to be shown beside ours and never mixed with them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from math import sqrt
from typing import NamedTuple

from r2po.analysis.paper.published_figures import published_results
from r2po.analysis.significance.tests import Row


class PublishedTest(NamedTuple):
    """A published test of R2PO against a baseline on one environment.

    Attributes:
        label: Name of the baseline, for SB3 with its algorithm.
        gap: Mean of R2PO minus mean of the baseline.
        t: Welch's t.
        p: Its p.
        holm_p: p corrected within the baseline's family.
        z: Our gap minus the published one, in standard errors of both; None where it cannot be said.
    """

    label: str
    gap: float
    t: float
    p: float
    holm_p: float
    z: float | None = None


class PublishedSalience(NamedTuple):
    """Published counts of ThreeTraj on one environment."""

    iterations: int
    regressions: int
    old: int
    strict: int
    old_mention: int
    strict_mention: int


def published_test(row: Row, metric: str) -> PublishedTest | None:
    """Return the published counterpart of a row; None if there is none: it names the best of SB3 only."""
    if row.baseline is None:
        return None
    found = _tests().get((row.environment, row.baseline.method, metric))
    if found is None or found.label.removeprefix("SB3-") != row.baseline.label.removeprefix("SB3-"):
        return None
    return found._replace(z=_z(row, found.gap, metric))


def _z(row: Row, published_gap: float, metric: str) -> float | None:
    if row.baseline is None or row.ours is None or row.gap is None:
        return None
    published = [published_results().get((row.environment, each.method, metric)) for each in (row.baseline, row.ours)]
    squares = [row.baseline.squared_error, row.ours.squared_error]
    squares += [None if each is None else each.std**2 / each.runs for each in published]
    known = [square for square in squares if square is not None]
    error = sqrt(sum(known)) if len(known) == len(squares) else 0.0
    return (row.gap - published_gap) / error if error else None


@cache
def _tests() -> Mapping[tuple[str, str, str], PublishedTest]:
    labels = {"props": "ProPS", "propsp": "ProPS+"}
    tests = {}
    for row in _rows("published_significance.csv"):
        method = row["baseline"].removesuffix("_best")
        label = labels.get(method) or f"SB3-{row['algorithm']}"
        numbers = [float(row[key]) for key in ("gap", "welch_t", "raw_p", "holm_p")]
        tests[row["environment"], method, row["metric"]] = PublishedTest(label, *numbers)
    return tests


@cache
def published_salience() -> Mapping[str, PublishedSalience]:
    """Return the published counts by environment."""
    keys = ("iterations", "regressions", "old_proxy", "strict_proxy", "old_with_mention", "strict_with_mention")
    rows = _rows("published_salience.csv")
    return {row["environment"]: PublishedSalience(*(int(row[key]) for key in keys)) for row in rows}


def _rows(name: str) -> list[dict[str, str]]:
    text = files("r2po.data").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
