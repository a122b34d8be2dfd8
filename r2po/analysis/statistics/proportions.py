"""Shares and odds of counted events."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

Z95 = 1.959963984540054
"""Quantile 0.975 of the standard normal distribution."""


@dataclass(frozen=True)
class OddsRatio:
    """Odds of an event in one group over its odds in another.

    Attributes:
        value: The ratio.
        low: Lower end of the 95 % interval.
        high: Upper end.
        corrected: Whether 1/2 was added to each of the four counts, since one was 0.
    """

    value: float
    low: float
    high: float
    corrected: bool


def wilson_interval(count: int, total: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a share (Wilson 1927), which holds for small counts too; None of nothing.

    Raises:
        ValueError: ``count`` is not within 0 and ``total``.
    """
    if not 0 <= count <= total:
        raise ValueError(f"{count} of {total} is no share")
    if total == 0:
        return None
    share, spread = count / total, Z95**2 / total
    centre = (share + spread / 2) / (1 + spread)
    half = sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    # At the ends the bounds are 0 and 1; rounding would leave them beside.
    return (0.0 if count == 0 else centre - half), (1.0 if count == total else centre + half)


def odds_ratio(count: int, total: int, other_count: int, other_total: int) -> OddsRatio | None:
    """Return the odds ratio of an event between two groups with Woolf's 95 % interval.

    If one of the four cells is 0, 1/2 is added to each (Haldane and Anscombe), and the result is marked.

    Args:
        count: Events in the first group.
        total: Size of the first group.
        other_count: Events in the second group.
        other_total: Size of the second group.

    Returns:
        None if a group is empty: there is nothing to compare.

    Raises:
        ValueError: More events than members.
    """
    for events, members in ((count, total), (other_count, other_total)):
        if not 0 <= events <= members:
            raise ValueError(f"{events} of {members} is no share")
    if not (total and other_total):
        return None
    cells = [count, total - count, other_count, other_total - other_count]
    corrected = 0 in cells
    a, b, c, d = ((cell + 0.5 if corrected else float(cell)) for cell in cells)
    middle, half = log(a * d / (b * c)), Z95 * sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    return OddsRatio(exp(middle), exp(middle - half), exp(middle + half), corrected)
