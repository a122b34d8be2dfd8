"""Salience bias: does a critic that sees the worst rollout mend that one, and lose what worked?

The published figure is a share of regressions alone, whose sign and direction come from the same rollouts. Here stand
beside it the same share among improvements and iterations without change; sign and direction from rollouts of their
own; and how many regressions are more than noise of the rollouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from r2po.analysis.logs.revisions import has_critic
from r2po.analysis.logs.run_data import MethodOnTask
from r2po.analysis.salience.returns import Direction
from r2po.analysis.salience.revisions import Revision
from r2po.analysis.salience.signs import DIRECTIONS, Comparison, Share, by_run, compare, share, strata_of_level
from r2po.runlog.facts import MethodFacts, TaskFacts

TOGETHER = "all environments"
"""Stands for the environment where a method's environments are pooled."""

DIRECTION_LABELS = {"regression": "regressions", "improvement": "improvements", "no_change": "no change"}


@dataclass(frozen=True)
class Counts:
    """How often the signs of salience occur among some iterations.

    Attributes:
        total: Iterations.
        without_returns: Of them, those whose initial returns are not on record; no sign is known of them.
        without_reply: Those whose critic's reply is not on record: whether it mentions the worst is not known.
        old: Worst <= median and worst < best.
        strict: Worst < median.
        old_mention: ``old``, and the critic speaks of the worst rollout.
        strict_mention: ``strict`` likewise: the headline.
        beyond_noise: The change excludes 0.
        strict_beyond_noise: ``strict``, among those beyond noise.
        strict_mention_beyond_noise: ``strict_mention`` likewise.
    """

    total: int
    without_returns: int
    without_reply: int
    old: Share
    strict: Share
    old_mention: Share
    strict_mention: Share
    beyond_noise: Share
    strict_beyond_noise: Share
    strict_mention_beyond_noise: Share


@dataclass(frozen=True)
class Split:
    """Sign and direction from rollouts of their own.

    Attributes:
        left_out: Iterations with too few rollouts, or whose returns are not on record.
        proxy: The strict proxy.
        mention: Shares of the strict proxy and a mention, by direction; None without a critic. There is no odds ratio:
            the critic has seen all rollouts, so that a mention may depend on the luck of those of the direction.
    """

    left_out: int
    proxy: Comparison
    mention: Mapping[Direction, Share] | None


@dataclass(frozen=True)
class Salience(MethodOnTask):
    """The analysis of one method on one environment, or of several together.

    Attributes:
        runs: Number of runs.
        counts: By direction, as published.
        same: The headline's sign by direction, both from all rollouts.
        split: Both from rollouts of their own; None as published.
        noise: Numbers of rollouts of both policies whose change can be told from noise, and whether they are paired.
    """

    task: TaskFacts
    facts: MethodFacts
    runs: int
    counts: dict[Direction, Counts]
    same: Comparison
    split: Split | None
    noise: tuple[tuple[int, int, bool], ...]

    @property
    def has_critic(self) -> bool:
        """Whether mentions are counted at all."""
        return has_critic(self.facts)

    @property
    def main(self) -> Comparison:
        """The comparison to be shown: of the strict proxy from rollouts of its own, or as published of the headline."""
        return self.split.proxy if self.split else self.same

    @property
    def iterations(self) -> int:
        """Number of iterations."""
        return sum(each.total for each in self.counts.values())

    @property
    def is_together(self) -> bool:
        """Whether environments are pooled."""
        return self.environment == TOGETHER


def analyse(
    revisions: Sequence[Revision], task: TaskFacts, facts: MethodFacts, mode: str, *, as_published: bool = False
) -> Salience:
    """Count the signs of salience among iterations of one method; mentions as in ``Revision.mentions``.

    As published, there is no split, and what is not on record counts as no sign.
    """
    heard = has_critic(facts)
    signs = _Signs(mode, heard=heard, as_published=as_published)
    counts = {way: _count([each for each in revisions if each.direction == way], signs) for way in DIRECTIONS}
    same = compare(revisions, signs.headline, lambda each: each.direction)
    noise = {(*each.rollouts, each.paired) for each in revisions if each.rollouts and each.change}
    split = None if as_published else _split(revisions, signs)
    return Salience(task, facts, len(by_run(revisions)), counts, same, split, tuple(sorted(noise)))


@dataclass(frozen=True)
class _Signs:
    """Signs of an iteration: True, False, or None if it is not on record.

    Attributes:
        mode: What is a mention.
        heard: Whether there is a critic, who may mention something.
        as_published: Whether what is not on record counts as no sign.
    """

    mode: str
    heard: bool
    as_published: bool

    def old(self, each: Revision) -> bool | None:
        return self._settled(None if each.shown is None else each.shown.old_proxy)

    def strict(self, each: Revision) -> bool | None:
        return self._settled(None if each.shown is None else each.shown.strict_proxy)

    def old_mention(self, each: Revision) -> bool | None:
        return self._with_mention(self.old(each), each)

    def strict_mention(self, each: Revision) -> bool | None:
        return self._with_mention(self.strict(each), each)

    def headline(self, each: Revision) -> bool | None:
        return self.strict_mention(each) if self.heard else self.strict(each)

    def half_strict(self, each: Revision) -> bool | None:
        return None if each.halves is None else each.halves.shown.strict_proxy

    def half_mention(self, each: Revision) -> bool | None:
        return self._with_mention(self.half_strict(each), each)

    def _with_mention(self, proxy: bool | None, each: Revision) -> bool | None:
        """Of a missing reply nothing is known, not even where the proxy is: such iterations would all be without it."""
        mention = self._settled(each.mentions(self.mode))
        return None if proxy is None or mention is None else proxy and mention

    def _settled(self, sign: bool | None) -> bool | None:
        return bool(sign) if self.as_published else sign


def _split(revisions: Sequence[Revision], signs: _Signs) -> Split:
    strata = strata_of_level(revisions)
    proxy = compare(revisions, signs.half_strict, _half_direction, strata)
    mention = compare(revisions, signs.half_mention, _half_direction).shares if signs.heard else None
    return Split(sum(each.halves is None for each in revisions), proxy, mention)


def _half_direction(each: Revision) -> Direction | None:
    return None if each.halves is None else each.halves.direction


def _count(revisions: Sequence[Revision], signs: _Signs) -> Counts:
    """Count the signs of salience among iterations of one direction."""
    beyond = [each for each in revisions if each.beyond_noise]
    silent = [each for each in revisions if signs.heard and each.shown is not None]
    return Counts(
        total=len(revisions),
        without_returns=sum(each.shown is None for each in revisions),
        # One that lacks both counts once, above.
        without_reply=sum(each.mentions(signs.mode) is None for each in silent),
        old=share(revisions, signs.old),
        strict=share(revisions, signs.strict),
        old_mention=share(revisions, signs.old_mention),
        strict_mention=share(revisions, signs.strict_mention),
        beyond_noise=share(revisions, lambda each: each.beyond_noise),
        strict_beyond_noise=share(beyond, signs.strict),
        strict_mention_beyond_noise=share(beyond, signs.strict_mention),
    )
