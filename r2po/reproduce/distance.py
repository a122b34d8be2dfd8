"""How far our figure is from a published one, in standard errors of their difference. Unknown is unknown, never 0."""

from __future__ import annotations

from dataclasses import dataclass

from r2po.analysis.output.scores import Score, difference
from r2po.analysis.salience.beside import share_test
from r2po.analysis.salience.signs import Share

NO_RUNS, NOT_PUBLISHED = "no runs", "not published"
ONE_RUN = "one run has no standard error"
ONE_PUBLISHED = "the published figure has no standard error"
EQUAL, NO_SCALE = "equal as printed, neither varies", "neither varies, so there is no scale"
EQUAL_SHARES = "all or none have the sign, there and here"


@dataclass(frozen=True)
class Distance:
    """A distance, or why there is none.

    Attributes:
        value: Ours minus the published figure, in standard errors of the difference; None if it is not known.
        p: Probability of one as large, if both are means of the same thing; None if it is not known.
        why: Why there is no distance; else empty.
    """

    value: float | None = None
    p: float | None = None
    why: str = ""


def of_means(ours: Score | None, published: Score | None) -> Distance:
    """Return the distance of two means, each with the standard error of its own runs, and Welch's p.

    It is the test that tables show below a published figure.
    """
    if published is None or ours is None:
        return Distance(why=NOT_PUBLISHED if published is None else NO_RUNS)
    if min(ours.runs, published.runs) < 2:
        return Distance(why=ONE_RUN if ours.runs < 2 else ONE_PUBLISHED)
    if not ours.std and not published.std:
        return Distance(why=EQUAL if ours.shown_mean == published.shown_mean else NO_SCALE)
    test = difference(ours, published)
    assert test is not None
    return Distance(test.t, test.p)


def of_shares(ours: Share | None, count: int, total: int) -> Distance:
    """Return the distance of our share from a published one of ``count`` in ``total``, and p of their score test."""
    if not total:
        return Distance(why=NOT_PUBLISHED)
    runs = 0 if ours is None else sum(known > 0 for _, known in ours.by_run)
    if ours is None or runs < 2:
        return Distance(why=ONE_RUN if runs else NO_RUNS)
    test = share_test(ours, count, total)
    return Distance(why=EQUAL_SHARES) if test is None else Distance(test.t, test.p)
