"""A metric of a method on an environment: what stands in one cell of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from r2po.analysis.output.tables import decimals
from r2po.rounding import mean, sample_std

FEW_RUNS = 5
"""Below so many runs, what says how much they vary is marked: of 4, the interval of a spread is 0.6 to 3.7 times it."""

FEW_MARK = "†"


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


def figures_of(score: Score | None, published: Score | None = None) -> dict[str, Any] | None:
    """Return scores as JSON objects: ours, and beside it the published one with z if there is one."""
    if published is None:
        return None if score is None else asdict(score)
    z = None if score is None else z_score(score, published)
    return {**(asdict(score) if score else {}), "published": asdict(published), "z": z}


def reference_lines(score: Score | None, published: Score, shown: str) -> tuple[str, ...]:
    """Return what stands below a cell in small print: the published score as it is shown, and z if there is ours."""
    line = f"published {shown}"
    if score is None:
        return (line,)
    z = z_score(score, published)
    return line, f"z = {'undefined' if z is None else f'{z:+.2f}'}"


def score_of(label: str, values: Sequence[float]) -> Score | None:
    """Sum up a metric over runs; None if no run tells it."""
    if not values:
        return None
    return Score(label, mean(values), sample_std(values), len(values))


def z_score(ours: Score, other: Score) -> float | None:
    """Return the difference of two means in standard errors; None where neither varies."""
    error = math.sqrt(ours.std**2 / ours.runs + other.std**2 / other.runs)
    return (ours.mean - other.mean) / error if error else None
