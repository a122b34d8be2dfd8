"""The significance tests of all experiments under a folder, as rows and as objects of JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from r2po.analysis.logs.built_in import BASELINES, OURS, task_facts
from r2po.analysis.logs.comparable import conditions, named, others
from r2po.analysis.logs.experiments import Cohort, ExperimentLogs
from r2po.analysis.logs.names import PUBLISHED_ORDER, environment_order
from r2po.analysis.significance.effects import Effect
from r2po.analysis.significance.groups import group_of
from r2po.analysis.significance.reference import counterparts
from r2po.analysis.significance.rules import Mode, Rules
from r2po.analysis.significance.tests import Comparison, compare
from r2po.analysis.statistics.bootstrap import ConfidenceInterval

METRIC_LABELS = {
    "mean_reward": "mean reward",
    "best_reward": "best reward",
    "final_reward": "final reward",
    "heldout_reward": "held-out reward of the best policy",
}


def significance_rows(
    experiments: Sequence[ExperimentLogs], metric: str, mode: Mode, rules: Rules | None = None
) -> list[Comparison]:
    """Test R2PO against its baselines on per-run values of one of ``run_data.METRICS``; ``mode`` as in ``compare``.

    The experiments are those of one cohort; R2PO's own variants are passed over. The rows are in the order of the
    published tables, where environments without runs among the ten have one too.
    """
    chosen = tested_ones(experiments, rules.methods if rules else ())
    found = {name: task_facts(name) for name in PUBLISHED_ORDER} | {each.environment: each.task for each in chosen}
    groups = []
    for name in sorted(found, key=environment_order):
        here = [each for each in chosen if each.environment == name]
        groups.append((found[name], [group_of(each, metric, here) for each in here]))
    return compare(groups, mode, rules, metric)


def conditions_of(rows: Sequence[Comparison], experiments: Sequence[ExperimentLogs]) -> list[str]:
    """Name unfinished and copied runs and unequal budgets among the experiments that rows compare."""
    compared = {(row.environment, each.label) for row in rows for each in (row.ours, row.baseline) if each}
    return conditions(named([each for each in experiments if (each.environment, each.label) in compared]))


def tested_ones(experiments: Sequence[ExperimentLogs], methods: Sequence[str]) -> list[ExperimentLogs]:
    """Return the experiments of R2PO and of what it is tested against.

    Those are the ``methods``, by key; by default its baselines, and what is not built in.
    """
    tested = {OURS, *(methods or [*BASELINES, *(facts["name"] for facts in others(experiments))])}
    return [each for each in experiments if each.method in tested]


def roles(rows: Sequence[Comparison], rules: Rules) -> list[str]:
    """Return of each test whether it is "primary" or "exploratory"; empty if nothing was declared, or tested."""
    said = [("primary" if row.is_primary else "exploratory") if row.test else "" for row in rows]
    return said if rules.primary else [""] * len(rows)


def to_records(
    rows: Sequence[Comparison],
    cohort: Cohort | None,
    metric: str,
    rules: Rules | None = None,
    *,
    with_reference: bool = False,
    notes: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return the rows as JSON objects, each with these notes too; what is missing is null, and an infinite t too."""
    rules = rules or Rules()
    records = [_record(row, cohort, role) for row, role in zip(rows, roles(rows, rules), strict=True)]
    for record in records:
        record["notes"] += notes
    if with_reference:
        beside = counterparts(rows, metric, as_published=rules.as_published)
        for record, published in zip(records, beside, strict=True):
            record["published"] = None if published is None else published.record
    return records


def _record(row: Comparison, cohort: Cohort | None, role: str) -> dict[str, Any]:
    test, permutation = row.test, row.permutation
    return {
        "environment": row.environment,
        "baseline_method": row.baseline.label if row.baseline else None,
        "baseline_mean": row.baseline.mean if row.baseline else None,
        "r2po_mean": row.ours.mean if row.ours else None,
        "mean_gap": row.gap,
        "t_statistic": test.t if test and not test.degenerate else None,
        "raw_p": row.p,
        "holm_p": row.holm_p,
        "permutation_p": permutation.p if permutation else None,
        "permutation_exact": permutation.exact if permutation else None,
        "permutation_floor": permutation.floor if permutation else None,
        "test": name_of_test(row) or None,
        "degrees_of_freedom": test.degrees if test and test.degrees else None,
        "choice_factor": row.choice,
        "family_size": row.family or None,
        "corrected_p": row.corrected_p,
        "role": role or None,
        **_effect_record(row.effect, row.family),
        "baseline_std": row.baseline.std if row.baseline else None,
        "r2po_std": row.ours.std if row.ours else None,
        "baseline_runs": len(row.baseline.values) if row.baseline else 0,
        "r2po_runs": len(row.ours.values) if row.ours else 0,
        "too_few_runs": bool(test and test.too_few),
        "degenerate": bool(test and test.degenerate),
        "model": cohort.model if cohort else None,
        "critic_model": (cohort.critic or None) if cohort else None,
        "protocol": cohort.protocol if cohort else None,
        "stand_in": bool(cohort and cohort.stand_in),
        "notes": list(row.notes),
    }


def _effect_record(effect: Effect | None, tests: int) -> dict[str, Any]:
    gap = effect.detectable(tests) if effect else None
    return {
        "gap_interval": _ends(effect.gap) if effect else None,
        "hedges_g": effect.g.value if effect and effect.g else None,
        "hedges_g_interval": _ends(effect.g) if effect else None,
        "probability_of_improvement": effect.improvement.value if effect else None,
        "probability_interval": _ends(effect.improvement) if effect else None,
        "detectable_gap": gap,
        "detectable_g": gap / effect.std if effect and gap else None,
        "few_runs": bool(effect and effect.is_of_few),
    }


def _ends(interval: ConfidenceInterval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def name_of_test(row: Comparison) -> str:
    """Return which test was made, e.g. ``"paired by seed, n = 10"``; empty if none was."""
    if row.test is None or row.test.too_few or row.ours is None or row.baseline is None:
        return ""
    n, m = len(row.ours.values), len(row.baseline.values)
    if row.paired:
        return f"paired by seed, n = {n}"
    return f"Welch, n = {n}" if n == m else f"Welch, n = {n} and {m}"
