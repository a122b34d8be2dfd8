"""Salience bias: does a critic that sees the worst rollout mend that one, and lose what worked?

The published figure is a share of regressions alone. Here stand beside it the same share among improvements and
iterations without change, and how many regressions are more than noise of the rollouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from r2po.analysis.logs.run_data import MethodOnTask
from r2po.analysis.salience.edits import Direction
from r2po.analysis.salience.revisions import Revision, has_critic
from r2po.analysis.statistics.proportions import OddsRatio, clustered_interval, clustered_odds_ratio
from r2po.runlog.facts import MethodFacts, TaskFacts

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
class Salience(MethodOnTask):
    """The analysis of one method on one environment, or of several together.

    Attributes:
        counts: By direction.
        by_run: Of each run, by direction: iterations with the headline's sign, and those of which that is known.
    """

    task: TaskFacts
    facts: MethodFacts
    counts: dict[Direction, Counts]
    by_run: tuple[Mapping[Direction, tuple[int, int]], ...]

    @property
    def has_critic(self) -> bool:
        """Whether mentions are counted at all."""
        return has_critic(self.facts)

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.by_run)

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
        return sum(run[direction][0] for run in self.by_run)

    def known(self, direction: Direction) -> int:
        """Iterations of which it is known whether they have the sign."""
        return sum(run[direction][1] for run in self.by_run)

    def share(self, direction: Direction) -> float | None:
        """Share of iterations with the sign."""
        known = self.known(direction)
        return self.signs(direction) / known if known else None

    def share_interval(self, direction: Direction) -> tuple[float, float] | None:
        """95 % interval of that share; iterations of a run may be alike."""
        return clustered_interval([run[direction] for run in self.by_run])

    def against(self, *controls: Direction) -> OddsRatio | None:
        """Odds of the sign among regressions over its odds among the controls together."""
        clusters = []
        for run in self.by_run:
            others = [run[each] for each in controls]
            clusters.append((*run["regression"], sum(signs for signs, _ in others), sum(known for _, known in others)))
        return clustered_odds_ratio(clusters)


def analyse(revisions: Sequence[Revision], task: TaskFacts, facts: MethodFacts, mode: str) -> Salience:
    """Count the signs of salience among iterations of one method; mentions as in ``Revision.mentions``."""
    heard = has_critic(facts)
    counts = {
        direction: _count([each for each in revisions if each.direction == direction], heard, mode)
        for direction in DIRECTIONS
    }
    return Salience(task, facts, counts, _by_run(revisions, heard, mode))


def _by_run(revisions: Sequence[Revision], heard: bool, mode: str) -> tuple[Mapping[Direction, tuple[int, int]], ...]:
    runs: dict[tuple[str, str, str], dict[Direction, tuple[int, int]]] = {}
    for each in revisions:
        tally = runs.setdefault((each.environment, each.method, each.run), dict.fromkeys(DIRECTIONS, (0, 0)))
        mentions = each.mentions(mode) if heard else True
        if each.shown is not None and mentions is not None:
            signs, known = tally[each.direction]
            tally[each.direction] = (signs + (each.shown.strict_proxy and mentions), known + 1)
    return tuple(runs.values())


def _count(revisions: Sequence[Revision], heard: bool, mode: str) -> Counts:
    """Count the signs of salience among iterations of one direction; ``heard``: a critic speaks in them."""
    old = [each for each in revisions if each.shown and each.shown.old_proxy]
    strict = [each for each in revisions if each.shown and each.shown.strict_proxy]
    mention = [each for each in strict if each.mentions(mode)]
    return Counts(
        total=len(revisions),
        without_returns=sum(each.shown is None for each in revisions),
        # One that lacks both counts once, above.
        without_reply=sum(heard and each.shown is not None and each.mentions(mode) is None for each in revisions),
        old=len(old),
        strict=len(strict),
        old_mention=sum(bool(each.mentions(mode)) for each in old),
        strict_mention=len(mention),
        beyond_noise=_beyond_noise(revisions),
        with_noise=sum(each.beyond_noise is not None for each in revisions),
        strict_beyond_noise=_beyond_noise(strict),
        strict_mention_beyond_noise=_beyond_noise(mention),
    )


def _beyond_noise(revisions: Sequence[Revision]) -> int:
    return sum(bool(each.beyond_noise) for each in revisions)
