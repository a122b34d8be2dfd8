"""Rewards of methods on environments beside the published ones: what the papers' tables of results show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from r2po.analysis.logs.built_in import method_facts, task_facts
from r2po.analysis.logs.comparable import choose, cohorts
from r2po.analysis.logs.experiments import Cohort, ExperimentLogs
from r2po.analysis.logs.names import environment_order
from r2po.analysis.output.scores import Score, score_of
from r2po.analysis.published import reference_results
from r2po.reproduce.compared import Compared, Figure
from r2po.reproduce.distance import of_means
from r2po.rounding import first_largest

METRICS = {"best_reward": "Best reward", "mean_reward": "Mean reward over the iterations"}
"""The metrics that papers publish, and what they are called. They are logged rewards, ours too."""


def compare_results(
    experiments: Sequence[ExperimentLogs],
    methods: Sequence[str],
    environments: Sequence[str],
    reference: str,
    metrics: Sequence[str] = tuple(METRICS),
) -> list[Compared]:
    """Return a cell for each metric, environment and method, in this order; those of several cohorts in rows apart.

    Args:
        experiments: What was found in the logs.
        methods: The columns; ``sb3`` is the best algorithm, by its mean, here as in the published table.
        environments: Short names of the rows.
        reference: A key of ``published.SOURCES``.
        metrics: Keys of ``METRICS``.
    """
    chosen, _ = choose([each for each in experiments if each.method in methods])
    parts = cohorts(chosen) or [(None, [])]
    published = reference_results(reference)
    return [
        _cell(part, (metric, environment, method), published, cohort if len(parts) > 1 else None)
        for metric in metrics
        for environment in sorted(environments, key=environment_order)
        for cohort, part in parts
        for method in methods
    ]


def _cell(
    part: Sequence[ExperimentLogs],
    what: tuple[str, str, str],
    published: Mapping[tuple[str, str, str], Score],
    cohort: Cohort | None,
) -> Compared:
    metric, environment, method = what
    here = [each for each in part if (each.environment, each.method) == (environment, method)]
    scored = [(each, score) for each in here if (score := score_of(each.label, each.values(metric))) is not None]
    best = first_largest(scored, lambda pair: pair[1].mean) if scored else None
    ours, theirs = best[1] if best else None, published.get((environment, method, metric))
    row = task_facts(environment)["label"]
    return Compared(
        METRICS[metric],
        f"{row} · {cohort.label}" if cohort else row,
        method_facts(method)["label"],
        environment,
        method,
        Figure.of_score(ours, named=method == "sb3"),
        Figure.of_score(theirs, named=method == "sb3"),
        of_means(ours, theirs),
        best[0].runs if best else (),
    )
