"""Robust statistics as tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from r2po.analysis.output.tables import Cell, Table, decimals
from r2po.analysis.robust.summary import TABLE_THRESHOLDS, Improvement, Robust, Summary
from r2po.analysis.statistics.bootstrap import FEWEST_RUNS, ConfidenceInterval

FEW = "‡"
"""Mark of intervals that are too narrow, since an environment has few runs."""
ABOUT_FEW = (
    f"Marked {FEW}: an environment has fewer than {FEWEST_RUNS} runs; the interval is too narrow, since so few runs "
    "hardly show how far others may fall"
)

UNCORRECTED = (
    "Each interval is for itself, not corrected for the number of methods: the tests of paper_significance_tests are"
)

AGGREGATE_LABELS = {"iqm": "IQM", "median": "median", "mean": "mean", "optimality_gap": "optimality gap"}


def aggregates_table(robust: Robust, title: str, notes: tuple[str, ...]) -> Table:
    """Return the table of aggregates over environments."""
    columns = ("Method", "runs per environment", *AGGREGATE_LABELS.values())
    rows = [_aggregates_row(each, robust) for each in robust.summaries]
    scale = "Scores: 0 is the random policy, 1 the target; in brackets stratified bootstrap intervals (95 %)"
    over = f"Over {robust.names(robust.environments)}, each with the same weight"
    over = over if robust.environments else "No environment to compare"
    few = _about_few(each.is_few for each in robust.summaries if each.aggregates)
    return Table(title, columns, rows, (over, scale, *few, *robust.notes, *notes))


def _about_few(marks: Iterable[bool]) -> tuple[str, ...]:
    return (ABOUT_FEW,) if any(marks) else ()


def _aggregates_row(summary: Summary, robust: Robust) -> list[Cell | str]:
    runs = _counts(summary.runs)
    if not summary.aggregates:
        missing = f"no runs on {robust.names(summary.missing)}" if summary.missing else "nothing to compare"
        return [summary.scores.label, runs, Cell("", (missing,)), "", "", ""]
    intervals = [summary.aggregates[name] for name in AGGREGATE_LABELS]
    return [summary.scores.label, runs, *(_interval_cell(each, is_few=summary.is_few) for each in intervals)]


def _counts(ends: tuple[int, int]) -> str:
    low, high = ends
    return str(low) if low == high else f"{low}-{high}"


def improvement_table(robust: Robust, title: str, notes: tuple[str, ...]) -> Table:
    """Return the table of R2PO against each other method: probability of improvement, and difference of IQM."""
    rows = [_improvement_row(each) for each in robust.improvements]
    texts = (
        "Probability that a run of R2PO is better than one of the other, averaged over the environments both have",
        "Difference: IQM of R2PO's normalised scores minus that of the other's, over the same environments, each with "
        "the same weight",
        "In brackets stratified bootstrap intervals (95 %)",
        *((UNCORRECTED,) if len(robust.improvements) > 1 else ()),
        *_about_few(each.is_few for each in robust.improvements if each.environments),
    )
    missing = () if robust.improvements else ("There are no runs of R2PO beside those of another method",)
    columns = ("Against", "environments", "runs per environment", "probability of improvement", "difference of IQM")
    return Table(title, columns, rows, (*texts, *missing, *notes))


def _improvement_row(improvement: Improvement) -> list[Cell | str]:
    head = [improvement.other.label, str(len(improvement.environments))]
    if improvement.probability is None or improvement.difference is None:
        return [*head, "", Cell("", ("no environment in common",)), ""]
    found = (improvement.probability, improvement.difference)
    return [*head, _counts(improvement.runs), *(_interval_cell(each, is_few=improvement.is_few) for each in found)]


def profiles_table(robust: Robust, title: str, notes: tuple[str, ...]) -> Table:
    """Return the table of performance profiles."""
    columns = ("Method", *(f"> {threshold:g}" for threshold in TABLE_THRESHOLDS))
    rows = [_profile_row(each, robust) for each in robust.summaries]
    text = "Share of runs with a larger normalised score, averaged over environments; 95 % pointwise intervals"
    few = _about_few(each.is_few for each in robust.summaries if each.table_profile)
    return Table(title, columns, rows, (text, f"Over {robust.names(robust.environments)}", *few, *notes))


def _profile_row(summary: Summary, robust: Robust) -> list[Cell | str]:
    profile = summary.table_profile
    if profile is None:
        missing = f"no runs on {robust.names(summary.missing)}"
        return [summary.scores.label, Cell("", (missing,)), *([""] * (len(TABLE_THRESHOLDS) - 1))]
    return [summary.scores.label, *(_interval_cell(each, is_few=summary.is_few) for each in profile.intervals)]


def _interval_cell(interval: ConfidenceInterval, *, is_few: bool) -> Cell:
    value, low, high = (decimals(each) for each in (interval.value, interval.low, interval.high))
    return Cell(value, (f"[{low}, {high}]{FEW if is_few else ''}",), plain=f"{interval.value:.6g}")


def to_record(robust: Robust) -> dict[str, Any]:
    """Return everything as one JSON object."""
    return {
        "environments": list(robust.environments),
        "methods": [_summary_record(each) for each in robust.summaries],
        "probability_of_improvement": [_improvement_record(each, each.probability) for each in robust.improvements],
        "difference_of_iqm": [_improvement_record(each, each.difference) for each in robust.improvements],
        "notes": list(robust.notes),
    }


def _improvement_record(improvement: Improvement, found: ConfidenceInterval | None) -> dict[str, Any]:
    return {
        "against": improvement.other.label,
        "environments": list(improvement.environments),
        "runs": list(improvement.runs),
        **(asdict(found) | {"too_few_runs": improvement.is_few} if found else {"value": None}),
    }


def _summary_record(summary: Summary) -> dict[str, Any]:
    profile = summary.table_profile
    shares = None
    if profile is not None:
        pairs = zip(profile.thresholds.tolist(), profile.intervals, strict=True)
        shares = [{"threshold": tau, **asdict(share)} for tau, share in pairs]
    return {
        "method": summary.scores.method,
        "label": summary.scores.label,
        "missing_environments": list(summary.missing),
        "too_few_runs": summary.is_few,
        "scores": {name: values.tolist() for name, values in summary.scores.scores.items()},
        **{name: asdict(each) for name, each in summary.aggregates.items()},
        "performance_profile": shares,
    }
