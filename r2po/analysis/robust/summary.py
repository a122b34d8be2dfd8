"""Methods over all environments at once: normalised scores and robust statistics on them (Agarwal et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType

import numpy as np

from r2po.analysis.logs.built_in import OURS, method_order
from r2po.analysis.logs.experiments import ExperimentLogs
from r2po.analysis.logs.names import environment_order
from r2po.analysis.logs.run_data import Floats
from r2po.analysis.statistics.aggregates import AGGREGATES, iqm
from r2po.analysis.statistics.bootstrap import (
    FEWEST_RUNS,
    ConfidenceInterval,
    bootstrap_difference,
    stratified_bootstrap,
)
from r2po.analysis.statistics.comparison import probability_of_improvement
from r2po.analysis.statistics.profile import Profile, performance_profile
from r2po.rounding import first_largest, levelled, mean
from r2po.runlog.facts import Style, TaskFacts
from r2po.seeding import derive_seed

BEST_SB3 = "SB3 (best)"
TABLE_THRESHOLDS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
CURVE_POINTS = 201
CURVE_RESAMPLES = 2_000
"""At most so many resamples make the band of a drawn profile, which has many points."""


@dataclass(frozen=True)
class MethodScores:
    """Normalised scores (runs,) of one method by environment; its label has the algorithm of SB3."""

    method: str
    label: str
    style: Style
    scores: Mapping[str, Floats]

    def over(self, environments: Sequence[str]) -> list[Floats]:
        """Return the scores of each of these environments."""
        return [self.scores[name] for name in environments]


@dataclass(frozen=True)
class Summary:
    """One method over the compared environments.

    Attributes:
        scores: Its scores.
        runs: Smallest and largest number of runs of an environment.
        missing: Environments that are compared but which it has no runs of; with any, there are no figures.
        aggregates: By name (``AGGREGATES``).
        profile: Performance profile over the thresholds of ``curve_thresholds``.
        table_profile: The same at ``TABLE_THRESHOLDS``.
    """

    scores: MethodScores
    runs: tuple[int, int]
    missing: tuple[str, ...]
    aggregates: Mapping[str, ConfidenceInterval]
    profile: Profile | None
    table_profile: Profile | None

    @property
    def is_few(self) -> bool:
        """Whether its intervals are too narrow, since an environment has few runs."""
        return self.runs[0] < FEWEST_RUNS


@dataclass(frozen=True)
class Improvement:
    """R2PO beside another method over the environments that both have.

    Attributes:
        other: The other method.
        environments: Which they are.
        runs: Smallest and largest number of runs of either method on one of them.
        probability: How likely a run of R2PO beats one of the other; None without an environment.
        difference: IQM of R2PO minus that of the other; likewise.
    """

    other: MethodScores
    environments: tuple[str, ...]
    runs: tuple[int, int]
    probability: ConfidenceInterval | None
    difference: ConfidenceInterval | None

    @property
    def is_few(self) -> bool:
        """Whether its intervals are too narrow, since an environment has few runs."""
        return self.runs[0] < FEWEST_RUNS


@dataclass(frozen=True)
class Robust:
    """The analysis of one cohort.

    Attributes:
        environments: What aggregates and profiles are over: those that R2PO has, or else the method with most.
        summaries: By method, in the order of the published tables.
        improvements: R2PO against each other method; empty without R2PO.
        notes: What could not be used.
        labels: Names of environments in tables.
    """

    environments: tuple[str, ...]
    summaries: tuple[Summary, ...]
    improvements: tuple[Improvement, ...]
    notes: tuple[str, ...]
    labels: Mapping[str, str]

    def names(self, environments: Sequence[str]) -> str:
        """Name environments as tables do."""
        return ", ".join(self.labels[each] for each in environments)


def normalise(task: TaskFacts, values: Floats) -> Floats | None:
    """Return values on the scale on which the random policy is 0 and the target 1; None if either is not known."""
    target, random = task["optimum"], task["random_reward"]
    return None if target is None or random is None else (values - random) / (target - random)


def analyse(experiments: Sequence[ExperimentLogs], metric: str, seed: int, resamples: int) -> Robust:
    """Compute all robust statistics of one cohort on one of ``run_data.METRICS``; the seed is that of the bootstrap."""
    methods, notes = collect(experiments, metric)
    labels = {each.environment: each.task["label"] for each in experiments}
    environments = compared_environments(methods)
    curve = curve_thresholds(methods, environments)
    summaries = [_summarise(each, environments, curve, seed, resamples) for each in methods]
    ours = next((each for each in methods if each.method == OURS), None)
    others = [each for each in methods if each is not ours]
    improvements = [] if ours is None else [_improvement(ours, each, seed, resamples) for each in others]
    left = sorted({name for each in methods for name in each.scores} - set(environments), key=environment_order)
    if left:
        names = ", ".join(labels[name] for name in left)
        notes.append(f"not among the compared environments, since the reference method has no runs there: {names}")
    return Robust(environments, tuple(summaries), tuple(improvements), tuple(notes), labels)


def collect(experiments: Sequence[ExperimentLogs], metric: str) -> tuple[list[MethodScores], list[str]]:
    """Return the normalised scores by method, and a line for what could not be used.

    Of SB3 there is each algorithm, and the best one of each environment by mean, which flatters it: the maximum of
    several noisy means.
    """
    scores: dict[tuple[str, str], dict[str, Floats]] = {}
    styles = {each.method: each.facts["style"] for each in experiments}
    notes: list[str] = []
    for each, values in zip(experiments, _levelled_values(experiments, metric), strict=True):
        scaled, missing = normalise(each.task, values), len(each.runs) - values.size
        if not values.size:
            notes.append(f"{each.cell}: no run has this metric")
        elif scaled is None:
            notes.append(f"{each.cell}: left out, no random policy has been measured there")
        else:
            if missing:
                notes.append(f"{each.cell}: {missing} of {len(each.runs)} runs do not have this metric")
            scores.setdefault((each.method, each.label), {})[each.environment] = scaled
    best = _best_of([found for (method, _), found in scores.items() if method == "sb3"])
    if best:
        scores["sb3", BEST_SB3] = best
    places = {each.method: each.place for each in experiments}
    ordered = sorted(scores, key=lambda key: (places[key[0]], _order(key)))
    return [MethodScores(*key, styles[key[0]], MappingProxyType(scores[key])) for key in ordered], notes


def _levelled_values(experiments: Sequence[ExperimentLogs], metric: str) -> list[Floats]:
    """Return the finite values of each experiment, in which equal ones on an environment are one number.

    They must be compared before they are scaled: what is subtracted would enlarge their last bits.
    """
    found = [np.array([value for value in each.values(metric) if isfinite(value)]) for each in experiments]
    for environment in {each.environment for each in experiments}:
        here = [number for number, each in enumerate(experiments) if each.environment == environment]
        scale = max((_largest(run.rewards) for number in here for run in experiments[number].runs), default=0.0)
        for number, values in zip(here, levelled(*(found[number] for number in here), scale=scale), strict=True):
            found[number] = values
    return found


def _largest(rewards: Floats) -> float:
    return float(np.abs(rewards[np.isfinite(rewards)]).max(initial=0.0))


def _best_of(algorithms: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    candidates: dict[str, list[Floats]] = {}
    for found in algorithms:
        for environment, values in found.items():
            candidates.setdefault(environment, []).append(values)
    return {environment: first_largest(each, mean) for environment, each in candidates.items()}


def _order(key: tuple[str, str]) -> tuple[tuple[int, str], bool, str]:
    method, label = key
    return method_order(method), label != BEST_SB3, label


def compared_environments(methods: Sequence[MethodScores]) -> tuple[str, ...]:
    """Return the environments that aggregates are over: those that R2PO has, or else the method that has most."""
    if not methods:
        return ()
    reference = max(methods, key=lambda each: (each.method == OURS, len(each.scores)))
    return tuple(sorted(reference.scores, key=environment_order))


def curve_thresholds(methods: Sequence[MethodScores], environments: Sequence[str]) -> Floats:
    """Return the thresholds of drawn profiles: from 0 to just above the target, further where scores are."""
    scores = [each.scores[name] for each in methods for name in environments if name in each.scores]
    low, high = (float(np.quantile(np.concatenate(scores), q)) for q in (0.01, 0.99)) if scores else (0.0, 1.0)
    ends = min(0.0, max(low, -0.25)), max(1.05, min(high, 2.0))
    return np.linspace(*ends, CURVE_POINTS, dtype=np.float64)


def _summarise(method: MethodScores, environments: Sequence[str], curve: Floats, seed: int, resamples: int) -> Summary:
    counts = [method.scores[name].size for name in environments if name in method.scores]
    runs = (min(counts), max(counts)) if counts else (0, 0)
    missing = tuple(name for name in environments if name not in method.scores)
    if missing or not environments:
        return Summary(method, runs, missing, {}, None, None)
    scores = method.over(environments)
    aggregates = {
        name: stratified_bootstrap(scores, statistic, _generator(seed, name, method), resamples=resamples)
        for name, statistic in AGGREGATES.items()
    }
    generator = _generator(seed, "profile", method)
    table = performance_profile(scores, TABLE_THRESHOLDS, generator, resamples=resamples)
    profile = performance_profile(scores, curve, generator, resamples=min(resamples, CURVE_RESAMPLES))
    return Summary(method, runs, (), aggregates, profile, table)


def _improvement(ours: MethodScores, other: MethodScores, seed: int, resamples: int) -> Improvement:
    shared = tuple(sorted(set(ours.scores) & set(other.scores), key=environment_order))
    if not shared:
        return Improvement(other, (), (0, 0), None, None)
    first, second = ours.over(shared), other.over(shared)
    counts = [each.size for each in (*first, *second)]
    generator = _generator(seed, "improvement", other)
    probability = probability_of_improvement(first, second, generator, resamples=resamples)
    generator = _generator(seed, "difference of IQM", other)
    difference = bootstrap_difference(first, second, iqm, generator, resamples=resamples)
    return Improvement(other, shared, (min(counts), max(counts)), probability, difference)


def _generator(seed: int, use: str, method: MethodScores) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, "robust statistics", use, method.label))
