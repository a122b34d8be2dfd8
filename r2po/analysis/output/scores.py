"""A metric of a method on an environment: what stands in one cell of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from r2po.analysis.output.tables import decimals
from r2po.analysis.statistics.welch import TTest, welch_of
from r2po.rounding import mean, sample_std

FEW_RUNS = 5
"""Below so many runs, what says how much they vary is marked: of 4, the interval of a spread is 0.6 to 3.7 times it."""

FEW_MARK = "†"

ROUNDING = 0.01**2 / 12
"""Variance of what rounding to two decimals takes from a published mean, or adds to it: that of a uniform error."""


@dataclass(frozen=True)
class Score:
    """A method's ("ProPS+", "SB3-PPO") mean and sample standard deviation (ddof 1; 0 for one run) over its runs."""

    label: str
    mean: float
    std: float
    runs: int

    @property
    def text(self) -> str:
        """As tables show it, with two decimals."""
        return f"{decimals(self.mean)} ± {decimals(self.std)}"

    @property
    def mark(self) -> str:
        """What stands behind it in tables for people if it is of few runs; else empty."""
        return few_mark(self.runs)

    @property
    def shown_mean(self) -> float:
        """The mean as far as the table shows it: equal ones are equally good."""
        return float(decimals(self.mean))


def few_mark(runs: int) -> str:
    """Return what stands behind a number that is over so many runs, if they are few; else an empty text."""
    return f" {FEW_MARK}" if runs < FEW_RUNS else ""


def few_note(counts: Iterable[int]) -> list[str]:
    """Return the sentence that explains the mark, if any of these numbers of runs has it."""
    few = any(0 < count < FEW_RUNS for count in counts)
    return [f"{FEW_MARK} Fewer than {FEW_RUNS} runs: how much they vary is hardly known."] if few else []


def small_print(source: str, *, as_published: bool) -> str:
    """Return the note on published figures beside ours."""
    if as_published:
        return f"Small print: {source}; z is our difference from it in standard errors."
    test = "t and p are Welch's test of our difference from it, which needs 2 runs and counts its rounding as an error"
    return f"Small print: {source}; {test}."


def figures_of(
    score: Score | None, published: Score | None = None, *, as_published: bool = False
) -> dict[str, Any] | None:
    """Return scores as JSON objects: ours, and beside it the published one, with the test of their difference.

    As published, that is z, which takes a spread from a single run for 0.
    """
    if published is None:
        return None if score is None else asdict(score)
    beside = {**(asdict(score) if score else {}), "published": asdict(published)}
    if as_published:
        return {**beside, "z": None if score is None else z_score(score, published)}
    test = None if score is None else difference(score, published)
    figures = ("t", "degrees", "p")
    return {**beside, "difference": None if test is None else {name: getattr(test, name) for name in figures}}


def reference_lines(
    score: Score | None, published: Score, shown: str, *, as_published: bool = False
) -> tuple[str, ...]:
    """Return what stands below a cell in small print: the published score, and the test of the difference if any."""
    line = f"published {shown}"
    if score is None:
        return (line,)
    if as_published:
        z = z_score(score, published)
        return line, f"z = {'undefined' if z is None else f'{z:+.2f}'}"
    test = difference(score, published)
    if test is None:
        return line, "one run: not tested" if score.runs < 2 else "no spread: not tested"
    return line, f"t = {test.t:+.2f}, p = {p_text(test.p)}"


def p_text(p: float) -> str:
    """Write a p-value with three decimals, in powers of ten only where it is tiny."""
    return f"{p:.1e}" if 0 < p < 0.0005 else f"{p:.3f}"


def score_of(label: str, values: Sequence[float]) -> Score | None:
    """Sum up a metric over runs; None if no run tells it."""
    if not values:
        return None
    return Score(label, mean(values), sample_std(values), len(values))


def difference(ours: Score, published: Score) -> TTest | None:
    """Return Welch's test of a score and a published one; None where one is of a single run, or neither varies.

    The published mean has the error of its rounding too: where runs hardly vary, it would be taken for a difference.
    """
    if not ours.std and not published.std:
        return None
    errors = (ours.std**2 / ours.runs, published.std**2 / published.runs + ROUNDING)
    degrees = (ours.runs - 1, published.runs - 1)
    return welch_of(ours.mean - published.mean, list(zip(errors, degrees, strict=True)))


def z_score(ours: Score, other: Score) -> float | None:
    """Return the difference of two means in standard errors; None where neither varies."""
    error = math.sqrt(ours.std**2 / ours.runs + other.std**2 / other.runs)
    return (ours.mean - other.mean) / error if error else None
