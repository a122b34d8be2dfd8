"""The noncentral t-distribution: how large effects may be, and which ones a test would have found."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, sqrt

from scipy.optimize import brentq
from scipy.special import chdtri, nctdtr, stdtrit

from r2po.analysis.statistics.bootstrap import LEVEL

POWER = 0.8
"""How often a detectable effect is found."""

NEARBY = 1e-9
"""Smaller values of t are taken for 0: the library's function fails for some."""

FAR_OUT = 1000.0
"""Beyond such values of t, the standard error's distribution alone decides."""


def noncentrality_interval(t: float, degrees: float) -> tuple[float, float]:
    """Return the 95 % interval of the noncentrality of a t-value: those for which it is not in the outer 2.5 %."""
    tails = (1 + LEVEL) / 2, (1 - LEVEL) / 2
    if abs(t) < NEARBY:
        t = 0.0
    if abs(t) > FAR_OUT:
        # The numerator hardly varies beside its size: what is uncertain is the standard error.
        low, high = sorted(t * sqrt(float(chdtri(degrees, tail)) / degrees) for tail in tails)
        return low, high
    low, high = (_solved(lambda shift, tail=tail: tail - _below(t, degrees, shift), t) for tail in tails)  # type: ignore[misc]
    return low, high


def detectable_noncentrality(degrees: float, alpha: float) -> float:
    """Return the smallest noncentrality that a two-sided t-test at the level ``alpha`` finds in 80 % of all cases."""
    limit = float(stdtrit(degrees, 1 - alpha / 2))
    return _solved(lambda shift: _power(limit, degrees, shift) - POWER, limit)


def _power(limit: float, degrees: float, shift: float) -> float:
    """Return the probability that |t| is beyond the limit; t has the noncentrality ``shift``, from 0."""
    return 1 - _below(limit, degrees, shift) + _below(-limit, degrees, shift)


def _below(t: float, degrees: float, shift: float) -> float:
    """Return the probability of a t-value up to this one."""
    if shift < 0:  # the library's function knows shifts from 0 only
        return 1 - _below(-t, degrees, -shift)
    p = float(nctdtr(degrees, shift, t))
    # Far out, where p is 0 or 1 to all digits, it may have no answer.
    return p if isfinite(p) else float(t > shift)


def _solved(rising: Callable[[float], float], start: float) -> float:
    """Return where a rising function is 0, which is searched in ever wider surroundings of ``start``."""
    width = 1.0 + abs(start)
    while rising(start - width) > 0 or rising(start + width) < 0:
        width *= 2
    return float(brentq(rising, start - width, start + width, xtol=1e-10))
