"""The published tests beside ours: how far the gaps are apart, and Holm's correction over the same tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from r2po.analysis.logs.built_in import BASELINES
from r2po.analysis.output.scores import ROUNDING
from r2po.analysis.published import PublishedTest, published_results, published_tests
from r2po.analysis.significance.tests import Comparison
from r2po.analysis.statistics.holm import holm
from r2po.analysis.statistics.welch import TTest, welch_of
from r2po.rounding import first_largest

KNOWN = 10**9
"""Degrees of freedom of an error that is not estimated: the published gap is rounded to two decimals."""


@dataclass(frozen=True)
class Counterpart:
    """The published counterpart of a test.

    Attributes:
        published: What was published.
        z: Our gap minus the published one in standard errors of both, as the published analysis would have it; else
            None.
        difference: Welch's test of that difference; None where a group has fewer than two runs.
        holm_p: Our p, corrected over our tests in the family of the published Holm p; None where they are others.
    """

    published: PublishedTest
    z: float | None
    difference: TTest | None
    holm_p: float | None

    @property
    def record(self) -> dict[str, Any]:
        """As an object of JSON."""
        test = self.difference
        return {
            **self.published._asdict(),
            "z": self.z,
            "difference_t": test.t if test else None,
            "difference_degrees": test.degrees if test else None,
            "difference_p": test.p if test else None,
            "own_holm_p": self.holm_p,
        }


def counterparts(rows: Sequence[Comparison], metric: str, *, as_published: bool) -> list[Counterpart | None]:
    """Return what was published of each row; None if nothing was: of SB3, only the best algorithm is known."""
    tests = {key: test for key, test in published_tests().items() if key[2] == metric}
    corrected = {} if as_published else _same_family(rows, {(key[0], key[1]) for key in tests})
    result: list[Counterpart | None] = []
    for index, row in enumerate(rows):
        found = tests.get((row.environment, row.baseline.method, metric)) if row.baseline else None
        if found is None or row.baseline is None or not _is_same(found.label, row.baseline.label):
            result.append(None)
            continue
        z = _z(row, found.gap, metric) if as_published else None
        difference = None if as_published else _difference(row, found.gap, metric)
        result.append(Counterpart(found, z, difference, corrected.get(index)))
    return result


def _is_same(published: str, ours: str) -> bool:
    return published.removeprefix("SB3-") == ours.removeprefix("SB3-")


def _same_family(rows: Sequence[Comparison], published: set[tuple[str, str]]) -> dict[int, float]:
    """Return Holm's p of the rows, by number, over the tests of the published family: a baseline on each environment.

    Of SB3 that is the best algorithm of each. A family with other environments, as with a test that is missing, cannot
    be compared; nor can the rows of ``best`` mode, which are of several baselines.
    """
    corrected: dict[int, float] = {}
    for method in BASELINES:
        members: dict[str, list[int]] = {}
        for index, row in enumerate(rows):
            if row.baseline is not None and row.baseline.method == method and row.p is not None:
                members.setdefault(row.environment, []).append(index)
        family = {environment for environment, each in published if each == method}
        if family and members.keys() == family:
            best = [first_largest(group, lambda index: _mean(rows[index])) for group in members.values()]
            corrected |= dict(zip(best, holm([rows[index].p or 0.0 for index in best]).tolist(), strict=True))
    return corrected


def _mean(row: Comparison) -> float:
    assert row.baseline is not None
    return row.baseline.mean


def _parts(row: Comparison, metric: str) -> list[tuple[float, int]] | None:
    """Return squared standard errors and degrees of freedom of our gap and of the published means; None if unknown."""
    if row.baseline is None or row.ours is None:
        return None
    published = [published_results().get((row.environment, each.method, metric)) for each in (row.baseline, row.ours)]
    known = [(each.std**2 / each.runs, each.runs - 1) for each in published if each is not None]
    if len(known) < 2:
        return None
    if row.paired and row.effect is not None:
        return [(row.effect.error**2, len(row.ours.values) - 1), *known]
    return [row.baseline.part, row.ours.part, *known]


def _difference(row: Comparison, published_gap: float, metric: str) -> TTest | None:
    parts = _parts(row, metric)
    if parts is None or row.gap is None or not any(square for square, _ in parts):
        return None
    return welch_of(row.gap - published_gap, [*parts, (ROUNDING, KNOWN)])


def _z(row: Comparison, published_gap: float, metric: str) -> float | None:
    parts = _parts(row, metric)
    if parts is None or row.gap is None or any(degrees < 1 for _, degrees in parts):
        return None
    error = sqrt(sum(square for square, _ in parts))
    return (row.gap - published_gap) / error if error else None
