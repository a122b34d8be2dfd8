"""The significance tests of all experiments under a folder, as rows of JSON and of a table."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, sqrt
from typing import Any

from r2po.analysis.logs.built_in import BASELINES, OURS, task_facts
from r2po.analysis.logs.comparable import others, uneven_budgets
from r2po.analysis.logs.experiments import Cohort, ExperimentLogs
from r2po.analysis.logs.names import PUBLISHED_ORDER, environment_order
from r2po.analysis.output.tables import Cell, Table, decimals
from r2po.analysis.published import SOURCE, PublishedTest, published_results, published_tests
from r2po.analysis.significance.tests import Comparison, Group, Mode, compare

METRIC_LABELS = {
    "mean_reward": "mean reward",
    "best_reward": "best reward",
    "final_reward": "final reward",
    "heldout_reward": "held-out reward of the best policy",
}

COLUMNS = ("Environment", "Baseline", "R2PO", "baseline", "gap", "t", "p", "Holm p", "permutation p")
REFERENCE_COLUMNS = ("published gap", "published t", "published p", "published Holm p", "z of the gap")

Parts = Sequence[tuple[Cohort | None, Sequence[Comparison]]]
"""The rows of each cohort."""


def significance_rows(experiments: Sequence[ExperimentLogs], metric: str, mode: Mode) -> list[Comparison]:
    """Test R2PO against its baselines on per-run values of one of ``run_data.METRICS``; ``mode`` as in ``compare``.

    The experiments are those of one cohort; R2PO's own variants are passed over. The rows are in the order of the
    published tables, where environments without runs among the ten have one too.
    """
    chosen = tested_ones(experiments)
    found = {name: task_facts(name) for name in PUBLISHED_ORDER} | {each.environment: each.task for each in chosen}
    groups = []
    for name in sorted(found, key=environment_order):
        here = [each for each in chosen if each.environment == name]
        groups.append((found[name], [_group(each, metric, here) for each in here]))
    return compare(groups, mode)


def tested_ones(experiments: Sequence[ExperimentLogs]) -> list[ExperimentLogs]:
    """Return the experiments of the methods that are tested: R2PO, its baselines, and what is not built in."""
    tested = {*BASELINES, OURS, *(facts["name"] for facts in others(experiments))}
    return [each for each in experiments if each.method in tested]


def _group(experiment: ExperimentLogs, metric: str, beside: Sequence[ExperimentLogs]) -> Group:
    values = experiment.values(metric)
    finite = tuple(value for value in values if isfinite(value))
    notes = []
    if len(values) < len(experiment.runs):
        notes.append(f"{len(experiment.runs) - len(values)} of {len(experiment.runs)} runs do not have this metric")
    if len(finite) < len(values):
        notes.append(f"{len(values) - len(finite)} of {len(values)} values are not finite and left out")
    unfinished = sum(not run.complete for run in experiment.runs)
    if unfinished:
        notes.append(f"{unfinished} of {len(experiment.runs)} runs unfinished, counted up to there")
    ours = next((each for each in beside if each.method == OURS), None)
    if ours is not None and experiment.protocol != ours.protocol:
        notes.append(f"run under the protocol {experiment.protocol!r}, R2PO under {ours.protocol!r}")
    if ours is not None and ours is not experiment:
        notes += uneven_budgets([ours, experiment])
    return Group(experiment.method, experiment.label, finite, tuple(notes), experiment.facts["style"])


def _published_test(row: Comparison, metric: str) -> PublishedTest | None:
    """Return the published counterpart of a row; None if there is none: it names the best of SB3 only."""
    if row.baseline is None:
        return None
    found = published_tests().get((row.environment, row.baseline.method, metric))
    if found is None or found.label.removeprefix("SB3-") != row.baseline.label.removeprefix("SB3-"):
        return None
    return found._replace(z=_z(row, found.gap, metric))


def _z(row: Comparison, published_gap: float, metric: str) -> float | None:
    if row.baseline is None or row.ours is None or row.gap is None:
        return None
    published = [published_results().get((row.environment, each.method, metric)) for each in (row.baseline, row.ours)]
    squares = [row.baseline.squared_error, row.ours.squared_error]
    squares += [None if each is None else each.std**2 / each.runs for each in published]
    known = [square for square in squares if square is not None]
    error = sqrt(sum(known)) if len(known) == len(squares) else 0.0
    return (row.gap - published_gap) / error if error else None


def to_records(
    rows: Sequence[Comparison],
    cohort: Cohort | None,
    metric: str,
    *,
    with_reference: bool = False,
    notes: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return the rows as JSON objects, each with these notes too; what is missing is null, and an infinite t too."""
    records = [_record(row, cohort) for row in rows]
    for record in records:
        record["notes"] += notes
    if with_reference:
        for record, published in zip(records, (_published_test(row, metric) for row in rows), strict=True):
            record["published"] = None if published is None else published._asdict()
    return records


def _record(row: Comparison, cohort: Cohort | None) -> dict[str, Any]:
    test, permutation = row.welch, row.permutation
    return {
        "environment": row.environment,
        "baseline_method": row.baseline.label if row.baseline else None,
        "baseline_mean": row.baseline.mean if row.baseline else None,
        "r2po_mean": row.ours.mean if row.ours else None,
        "mean_gap": row.gap,
        "t_statistic": test.t if test and not test.degenerate else None,
        "raw_p": test.p if test else None,
        "holm_p": row.holm_p,
        "permutation_p": permutation.p if permutation else None,
        "permutation_exact": permutation.exact if permutation else None,
        "degrees_of_freedom": test.degrees if test and test.degrees else None,
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


def to_table(
    parts: Parts, metric: str, mode: Mode, *, with_reference: bool = False, notes: Sequence[str] = ()
) -> Table:
    """Return the rows of all cohorts as one table, with these notes below it too."""
    marks: dict[str, str] = {}
    body = []
    for cohort, rows in parts:
        below = (cohort.label if cohort else "",) if len(parts) > 1 else ()
        for row in rows:
            reference = _reference_cells(_published_test(row, metric)) if with_reference else ()
            body.append([Cell(row.task["label"], below), *_cells(row, marks), *reference])
    columns = COLUMNS + (REFERENCE_COLUMNS if with_reference else ())
    notes = [*_explanations(parts, mode), *notes, *(f"{mark} {note}" for note, mark in marks.items())]
    if with_reference:
        notes.append(f"{SOURCE[0].upper()}{SOURCE[1:]}; z: our gap minus the published one in standard errors of both")
    return Table(title(metric, mode), columns, body, notes)


def title(metric: str, mode: Mode) -> str:
    """Return the title of table and figure."""
    against = "the best baseline" if mode == "best" else "each baseline"
    return f"R2PO against {against}: {METRIC_LABELS[metric]}"


def _explanations(parts: Parts, mode: Mode) -> list[str]:
    more = {row.baseline.method: row.baseline.label for _, rows in parts for row in rows if row.baseline}
    *most, last = ["ProPS", "ProPS+", "SB3", *(more[method] for method in sorted(more.keys() - {*BASELINES}))]
    families = "over the environments" + (f", apart for {', '.join(most)} and {last}" if mode == "all" else "")
    labels = "; ".join(cohort.label for cohort, _ in parts if cohort)
    model = [f"Runs: {labels}"] if labels else []
    return [
        "Mean ± sample standard deviation over runs (their number); gap: R2PO minus baseline",
        f"t, p: two-sided Welch test on per-run values; Holm p: corrected {families}",
        "permutation p: all splits of the runs up to 200,000, else 99,999 at random; of 3 against 3 runs at least 0.1",
        *model,
    ]


def _cells(row: Comparison, marks: dict[str, str]) -> list[str]:
    test, permutation = row.welch, row.permutation
    signs = " ".join(marks.setdefault(note, f"({_letter(len(marks))})") for note in row.notes)
    label = row.baseline.label if row.baseline else ""
    return [
        f"{label} {signs}".strip(),
        _group_cell(row.ours),
        _group_cell(row.baseline),
        "" if row.gap is None else decimals(row.gap),
        "" if test is None else f"{test.t:.2f}".replace("inf", "∞"),
        "" if test is None else p_cell(test.p),
        "" if row.holm_p is None else p_cell(row.holm_p),
        "" if permutation is None else p_cell(permutation.p),
    ]


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else str(index)


def _group_cell(group: Group | None) -> str:
    if group is None:
        return ""
    spread = "" if group.std is None else f" ± {decimals(group.std)}"
    return f"{decimals(group.mean)}{spread} ({len(group.values)})"


def _reference_cells(published: PublishedTest | None) -> list[str]:
    if published is None:
        return [""] * len(REFERENCE_COLUMNS)
    numbers = [f"{published.gap:.2f}", f"{published.t:.2f}", p_cell(published.p), p_cell(published.holm_p)]
    return [*numbers, "" if published.z is None else f"{published.z:.1f}"]


def p_cell(p: float) -> str:
    """Write a p-value with three decimals, in powers of ten only where it is tiny."""
    return f"{p:.1e}" if 0 < p < 0.0005 else f"{p:.3f}"
