"""The values of one method on one environment, and which runs of two methods are pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite

from r2po.analysis.logs.built_in import OURS
from r2po.analysis.logs.comparable import about_runs, named, uneven_budgets
from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.logs.run_data import RunData
from r2po.rounding import mean, sample_std
from r2po.runlog.facts import GREY, Style


@dataclass(frozen=True)
class Group:
    """The values of one method on one environment, one per run.

    Attributes:
        method: Key of the method.
        label: Its name in tables, for SB3 with the algorithm, e.g. "SB3-PPO".
        values: Finite ones.
        notes: What was left out and why.
        style: How the method looks in figures.
        seeds: Seed of the run of each value; empty if runs share nothing with other methods' runs of their seed.
        protocol: Protocol of the runs.
    """

    method: str
    label: str
    values: tuple[float, ...]
    notes: tuple[str, ...] = ()
    style: Style = field(default_factory=lambda: GREY)
    seeds: tuple[int, ...] = ()
    protocol: str = ""

    @property
    def mean(self) -> float:
        """Mean over the runs."""
        return mean(self.values)

    @property
    def std(self) -> float | None:
        """Sample standard deviation over the runs; None of fewer than two."""
        return sample_std(self.values) if len(self.values) > 1 else None

    @property
    def part(self) -> tuple[float, int]:
        """Squared standard error of the mean, and its degrees of freedom; without any of fewer than two runs."""
        return (self.std or 0.0) ** 2 / len(self.values), len(self.values) - 1


def can_pair(ours: Group, baseline: Group) -> bool:
    """Whether runs of both come from our loop, under one protocol: runs of equal seeds then share what it draws.

    That is, by name: the random policies and the episodes of the warm-up, the episodes of the held-out re-evaluation,
    and those of each iteration; under the controlled protocol these are the same for all candidates of an iteration,
    under the published one for candidates with the same number. Replies of a model are not shared.
    """
    return bool(ours.seeds and baseline.seeds) and ours.protocol == baseline.protocol


def pairs(ours: Group, baseline: Group) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return the values of both in the order of their seeds, (n,) and (n,); None if not all runs of both are pairs."""
    seeds = [sorted(group.seeds) for group in (ours, baseline)]
    if not can_pair(ours, baseline) or seeds[0] != seeds[1] or len(set(seeds[0])) < len(seeds[0]):
        return None
    by_seed = [dict(zip(group.seeds, group.values, strict=True)) for group in (ours, baseline)]
    first, second = (tuple(values[seed] for seed in seeds[0]) for values in by_seed)
    return first, second


def group_of(experiment: ExperimentLogs, metric: str, beside: Sequence[ExperimentLogs]) -> Group:
    """Return a metric of each run of an experiment; ``beside`` are all experiments on its environment."""
    known = [(run, value) for run in experiment.runs if (value := run.metric(metric)) is not None]
    finite = [(run, value) for run, value in known if isfinite(value)]
    notes = []
    if len(known) < len(experiment.runs):
        notes.append(f"{len(experiment.runs) - len(known)} of {len(experiment.runs)} runs do not have this metric")
    if len(finite) < len(known):
        notes.append(f"{len(known) - len(finite)} of {len(known)} values are not finite and left out")
    notes += about_runs(named([experiment]))
    ours = next((each for each in beside if each.method == OURS), None)
    if ours is not None and experiment.protocol != ours.protocol:
        notes.append(f"run under the protocol {experiment.protocol!r}, R2PO under {ours.protocol!r}")
    if ours is not None and ours is not experiment:
        # Without the environment, which the row names: rows with the same budgets share one note.
        where = f": {experiment.task['label']} "
        notes += [line.replace(where, ": ") for line in uneven_budgets([ours, experiment])]
    values = tuple(value for _, value in finite)
    seeds = _seeds([run for run, _ in finite])
    style = experiment.facts["style"]
    return Group(experiment.method, experiment.label, values, tuple(notes), style, seeds, experiment.protocol)


def _seeds(runs: Sequence[RunData]) -> tuple[int, ...]:
    """Return the seeds of runs of our loop; empty for others: Stable-Baselines3 draws under names of its own."""
    seeds = [run.seed for run in runs if run.origin == "r2po" and run.algorithm is None and run.seed is not None]
    return tuple(seeds) if len(seeds) == len(runs) else ()
