"""Salience bias: does a critic that sees the worst rollout mend that one, and lose what worked?

The published figure is a share of regressions alone. Here stand beside it the same share among improvements and
iterations without change, and how many regressions are more than noise of the rollouts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from r2po.analysis.edits import Direction
from r2po.analysis.revisions import Revision
from r2po.analysis.statistics import OddsRatio, odds_ratio, wilson_interval

DIRECTIONS: tuple[Direction, ...] = ("regression", "improvement", "no_change")
TOGETHER = "all environments"
"""Stands for the environment where a method's environments are pooled."""

DIRECTION_LABELS = {"regression": "regressions", "improvement": "improvements", "no_change": "no change"}


@dataclass(frozen=True)
class Counts:
    """How often the signs of salience occur among some iterations.

    Attributes:
        total: Iterations.
        without_returns: Of them, those whose initial returns are not on record; no sign is counted in them.
        without_reply: Those whose critic's reply is not on record, likewise for mentions.
        old: Worst <= median and worst < best.
        strict: Worst < median.
        old_mention: ``old``, and the critic speaks of the worst rollout.
        strict_mention: ``strict`` likewise: the headline.
        beyond_noise: Iterations whose change excludes 0.
        with_noise: Iterations for which that is known.
        strict_beyond_noise: ``strict``, beyond noise.
        strict_mention_beyond_noise: ``strict_mention``, beyond noise.
    """

    total: int
    without_returns: int
    without_reply: int
    old: int
    strict: int
    old_mention: int
    strict_mention: int
    beyond_noise: int
    with_noise: int
    strict_beyond_noise: int
    strict_mention_beyond_noise: int


@dataclass(frozen=True)
class Salience:
    """The analysis of one method on one environment, or of several together.

    Attributes:
        environment: Short name of the task, or what the iterations have in common.
        method: Key of the method.
        has_critic: Whether mentions are counted at all.
        counts: By direction.
        runs: Number of runs.
    """

    environment: str
    method: str
    has_critic: bool
    counts: dict[Direction, Counts]
    runs: int

    @property
    def iterations(self) -> int:
        """Number of iterations."""
        return sum(each.total for each in self.counts.values())

    @property
    def is_together(self) -> bool:
        """Whether environments are pooled."""
        return self.environment == TOGETHER

    def signs(self, direction: Direction) -> int:
        """Iterations with the headline's sign: strict proxy and mention; without a critic, the strict proxy alone."""
        counts = self.counts[direction]
        return counts.strict_mention if self.has_critic else counts.strict

    def known(self, direction: Direction) -> int:
        """Iterations of which it is known whether they have the sign."""
        counts = self.counts[direction]
        return counts.total - counts.without_returns - (counts.without_reply if self.has_critic else 0)

    def share(self, direction: Direction) -> float | None:
        """Share of iterations with the sign."""
        known = self.known(direction)
        return self.signs(direction) / known if known else None

    def share_interval(self, direction: Direction) -> tuple[float, float] | None:
        """Wilson's 95 % interval of that share."""
        return wilson_interval(self.signs(direction), self.known(direction))

    def against(self, *controls: Direction) -> OddsRatio | None:
        """Odds of the sign among regressions over its odds among the controls together."""
        signs = sum(self.signs(each) for each in controls)
        known = sum(self.known(each) for each in controls)
        return odds_ratio(self.signs("regression"), self.known("regression"), signs, known)


def analyse(revisions: Sequence[Revision], environment: str, method: str, has_critic: bool, mode: str) -> Salience:
    """Count the signs of salience.

    Args:
        revisions: The iterations.
        environment: What to call their environment.
        method: What to call their method.
        has_critic: Whether there is a critic, who may speak of the worst rollout.
        mode: ``"word"`` or ``"phrase"``, see ``Revision.mentions``.
    """
    by_direction: dict[Direction, list[Revision]] = {each: [] for each in DIRECTIONS}
    for revision in revisions:
        by_direction[revision.direction].append(revision)
    counts = {each: count(found, has_critic, mode) for each, found in by_direction.items()}
    runs = len({(each.environment, each.method, each.run) for each in revisions})
    return Salience(environment, method, has_critic, counts, runs)


def count(revisions: Sequence[Revision], has_critic: bool, mode: str) -> Counts:
    """Count the signs of salience among iterations of one direction."""

    def number(condition: Callable[[Revision], bool | None]) -> int:
        return sum(bool(condition(each)) for each in revisions)

    def old(each: Revision) -> bool:
        return each.shown is not None and each.shown.old_proxy

    def strict(each: Revision) -> bool:
        return each.shown is not None and each.shown.strict_proxy

    return Counts(
        total=len(revisions),
        without_returns=number(lambda each: each.shown is None),
        # One that lacks both counts once, above.
        without_reply=number(lambda each: has_critic and each.shown is not None and each.mentions(mode) is None),
        old=number(old),
        strict=number(strict),
        old_mention=number(lambda each: old(each) and each.mentions(mode)),
        strict_mention=number(lambda each: strict(each) and each.mentions(mode)),
        beyond_noise=number(lambda each: each.beyond_noise),
        with_noise=number(lambda each: each.beyond_noise is not None),
        strict_beyond_noise=number(lambda each: strict(each) and each.beyond_noise),
        strict_mention_beyond_noise=number(lambda each: strict(each) and each.mentions(mode) and each.beyond_noise),
    )
