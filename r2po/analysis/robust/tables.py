"""Robust statistics as tables and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from r2po.analysis.output.tables import Cell, Table, decimals
from r2po.analysis.robust.summary import TABLE_THRESHOLDS, Improvement, Robust, Summary
from r2po.analysis.statistics.bootstrap import ConfidenceInterval

AGGREGATE_LABELS = {"iqm": "IQM", "median": "median", "mean": "mean", "optimality_gap": "optimality gap"}


def aggregates_table(robust: Robust, title: str, notes: tuple[str, ...]) -> Table:
    """Return the table of aggregates over environments."""
    columns = ("Method", "runs per environment", *AGGREGATE_LABELS.values())
    rows = [_aggregates_row(each, robust) for each in robust.summaries]
    scale = "Scores: 0 is the random policy, 1 the target; in brackets stratified bootstrap intervals (95 %)"
    over = f"Over {robust.names(robust.environments)}" if robust.environments else "No environment to compare"
    return Table(title, columns, rows, (over, scale, *robust.notes, *notes))


def _aggregates_row(summary: Summary, robust: Robust) -> list[Cell | str]:
    low, high = summary.runs
    runs = str(low) if low == high else f"{low}-{high}"
    if not summary.aggregates:
        missing = f"no runs on {robust.names(summary.missing)}" if summary.missing else "nothing to compare"
        return [summary.scores.label, runs, Cell("", (missing,)), "", "", ""]
    return [summary.scores.label, runs, *(_interval_cell(summary.aggregates[name]) for name in AGGREGATE_LABELS)]


def improvement_table(robust: Robust, title: str, notes: tuple[str, ...]) -> Table:
    """Return the table of R2PO's probabilities of improvement."""
    rows = [_improvement_row(each) for each in robust.improvements]
    text = "Probability that a run of R2PO is better than one of the other, averaged over the environments both have"
    missing = () if robust.improvements else ("There are no runs of R2PO beside those of another method",)
    columns = ("Against", "environments", "probability of improvement")
    return Table(title, columns, rows, (text, "In brackets stratified bootstrap intervals (95 %)", *missing, *notes))


def _improvement_row(improvement: Improvement) -> list[Cell | str]:
    count = str(len(improvement.environments))
    if improvement.probability is None:
        return [improvement.other.label, count, Cell("", ("no environment in common",))]
    return [improvement.other.label, count, _interval_cell(improvement.probability)]


def profiles_table(robust: Robust, title: str, notes: tuple[str, ...]) -> Table:
    """Return the table of performance profiles."""
    columns = ("Method", *(f"> {threshold:g}" for threshold in TABLE_THRESHOLDS))
    rows = [_profile_row(each, robust) for each in robust.summaries]
    text = "Share of runs with a larger normalised score, averaged over environments; 95 % pointwise intervals"
    return Table(title, columns, rows, (text, f"Over {robust.names(robust.environments)}", *notes))


def _profile_row(summary: Summary, robust: Robust) -> list[Cell | str]:
    profile = summary.table_profile
    if profile is None:
        missing = f"no runs on {robust.names(summary.missing)}"
        return [summary.scores.label, Cell("", (missing,)), *([""] * (len(TABLE_THRESHOLDS) - 1))]
    return [summary.scores.label, *map(_interval_cell, profile.intervals)]


def _interval_cell(interval: ConfidenceInterval) -> Cell:
    value, low, high = (decimals(each) for each in (interval.value, interval.low, interval.high))
    return Cell(value, (f"[{low}, {high}]",), plain=f"{interval.value:.6g}")


def to_record(robust: Robust) -> dict[str, Any]:
    """Return everything as one JSON object."""
    return {
        "environments": list(robust.environments),
        "methods": [_summary_record(each) for each in robust.summaries],
        "probability_of_improvement": [
            {
                "against": each.other.label,
                "environments": list(each.environments),
                **(asdict(each.probability) if each.probability else {"value": None}),
            }
            for each in robust.improvements
        ],
        "notes": list(robust.notes),
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
        "scores": {name: values.tolist() for name, values in summary.scores.scores.items()},
        **{name: asdict(each) for name, each in summary.aggregates.items()},
        "performance_profile": shares,
    }
