"""Shares and odds of counted events, and of events that come in clusters: iterations of one run are alike.

A cluster's influence on an estimate is how far its own events are from what the estimate says of them; the spread of
the influences is the estimate's standard error, whatever the events of a cluster have in common (the sandwich
estimator, Liang and Zeger 1986). Intervals take the wider of that and what independent events would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

from scipy.special import stdtrit

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
        clustered: Whether the interval takes account of what events of a cluster have in common.
    """

    value: float
    low: float
    high: float
    corrected: bool
    clustered: bool


def wilson_interval(count: int, total: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a share (Wilson 1927), which holds for small counts too; None of nothing.

    Raises:
        ValueError: ``count`` is not within 0 and ``total``.
    """
    _check(count, total)
    return _wilson(count, total, Z95) if total else None


def clustered_interval(clusters: Sequence[tuple[int, int]]) -> tuple[float, float] | None:
    """Return the 95 % interval of a share over clusters: Wilson's with as many events as they are worth.

    Where events of a cluster are alike, n of them are worth less than n independent ones, by the design effect (Kish
    1965); the quantile is Student's with as many degrees of freedom as there are clusters, less one. Of shares of 0 and
    1 the likeness is not known: each cluster is then worth one event. A single cluster's events pass for independent.
    ``clusters`` are the events and members of each; the result is None if none has members.

    Raises:
        ValueError: More events than members.
    """
    for pair in clusters:
        _check(*pair)
    clusters = [(count, total) for count, total in clusters if total]
    count, total = (sum(column) for column in zip(*clusters, strict=True)) if clusters else (0, 0)
    plain = wilson_interval(count, total)
    if plain is None or len(clusters) < 2:
        return plain
    number, quantile = len(clusters), _quantile(len(clusters))
    if count in (0, total):
        return _wilson(number if count else 0, number, quantile)
    share = count / total
    variance = _spread([(events - share * members) / total for events, members in clusters], number)
    effect = variance * total / (share * (1 - share))
    if effect == 0:
        return plain
    low, high = _wilson(count / effect, total / effect, quantile)
    return min(low, plain[0]), max(high, plain[1])


def _wilson(count: float, total: float, quantile: float) -> tuple[float, float]:
    share, spread = count / total, quantile**2 / total
    centre = (share + spread / 2) / (1 + spread)
    half = sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    # At the ends the bounds are exactly 0 and 1, which rounding would miss.
    return (0.0 if count == 0 else centre - half), (1.0 if count == total else centre + half)


def odds_ratio(count: int, total: int, other_count: int, other_total: int) -> OddsRatio | None:
    """Return the odds ratio of an event between two groups with Woolf's 95 % interval.

    If one of the four cells is 0, 1/2 is added to each (Haldane and Anscombe), and the result is marked. It is None if
    a group is empty: there is nothing to compare.

    Raises:
        ValueError: More events than members.
    """
    _check(count, total)
    _check(other_count, other_total)
    if not (total and other_total):
        return None
    cells = [count, total - count, other_count, other_total - other_count]
    corrected = 0 in cells
    a, b, c, d = ((cell + 0.5 if corrected else float(cell)) for cell in cells)
    return _ratio(a * d / (b * c), Z95 * sqrt(1 / a + 1 / b + 1 / c + 1 / d), corrected=corrected)


def clustered_odds_ratio(clusters: Sequence[tuple[int, int, int, int]]) -> OddsRatio | None:
    """Return the odds ratio of an event between two groups whose members come in clusters, with its 95 % interval.

    The value is that of ``odds_ratio`` on the sums. So is the interval if a count is 0 or a group is found in a single
    cluster; the result is then not marked as clustered. The group in fewer clusters sets the degrees of freedom.
    ``clusters`` are events and members of the first group, and of the second one, in each; None if a group is empty.

    Raises:
        ValueError: More events than members.
    """
    for count, total, other_count, other_total in clusters:
        _check(count, total)
        _check(other_count, other_total)
    sums = [sum(column) for column in zip(*clusters, strict=True)] if clusters else [0] * 4
    plain = odds_ratio(*sums)
    fewer = min(sum(bool(each[1]) for each in clusters), sum(bool(each[3]) for each in clusters))
    if plain is None or plain.corrected or fewer < 2:
        return plain
    a, b, c, d = sums[0], sums[1] - sums[0], sums[2], sums[3] - sums[2]
    influences = [e / a - (n - e) / b - f / c + (m - f) / d for e, n, f, m in clusters]
    half = _quantile(fewer) * sqrt(_spread(influences, fewer))
    return _ratio(plain.value, max(half, log(plain.high / plain.value)), clustered=True)


def _ratio(value: float, half: float, *, corrected: bool = False, clustered: bool = False) -> OddsRatio:
    return OddsRatio(value, exp(log(value) - half), exp(log(value) + half), corrected, clustered)


def _spread(influences: Sequence[float], clusters: int) -> float:
    """Return the variance of an estimate from the influence of each cluster, as many as there are or count."""
    return clusters / (clusters - 1) * sum(influence**2 for influence in influences)


def _quantile(clusters: int) -> float:
    return float(stdtrit(clusters - 1, 0.975))


def _check(count: int, total: int) -> None:
    if not 0 <= count <= total:
        raise ValueError(f"{count} of {total} is not a share")
