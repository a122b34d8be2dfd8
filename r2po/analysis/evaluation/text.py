"""``summary.txt``: the figures of ``summary.json`` for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from r2po.analysis.logs.fresh import Basis
from r2po.analysis.logs.revisions import revisions_of, told
from r2po.analysis.logs.run_data import STAND_IN, SUCCESS_METRICS, RunData, models_label, progress
from r2po.analysis.output.scores import few_mark, few_note
from r2po.analysis.output.tables import pad
from r2po.terminal import visible


def run_text(summary: dict[str, Any], label: str, path: str, basis: Basis, revisions: Sequence[str]) -> str:
    """Return the text on one run, ``summarise_run``, of the experiment ``label``, and on its ``revisions``."""
    notes = [*_notes([summary]), *_mark(basis)]
    return _join(_heading(label, path, [summary]), _table([summary], basis), revisions, notes)


def revisions_text(runs: Sequence[RunData]) -> list[str]:
    """Return a line on the revisions of runs of one experiment, if its method has any."""
    found = revisions_of(runs)
    if found is None:
        return []
    pair = next(run.facts["pair"] for run in runs if run.facts["pair"] is not None)
    facts = told(found, pair, _number)
    over = f" of all {len(runs)} runs" if len(runs) > 1 else ""
    parts = [f"{name}{over if not number else ''}: {text}" for number, (name, text) in enumerate(facts.items())]
    return ["; ".join(parts)] if parts else []


def runs_text(
    summary: dict[str, Any], path: str, basis: Basis, *, left_out: Sequence[str] = (), revisions: Sequence[str] = ()
) -> str:
    """Return the text on all runs of a log directory, ``summarise_runs``.

    Args:
        summary: Their figures.
        path: The log directory.
        basis: Which rewards they are.
        left_out: What its report does not hold.
        revisions: What became of their proposals.
    """
    rows = summary["per_run_summaries"]
    findings = [f"the runs differ in {line}" for line in summary["differences"]]
    findings += [f"left out: {line}" for line in summary["problems"]]
    findings += [*([summary["race"]] if "race" in summary else []), *left_out, *_mark(basis)]
    heading = _heading(summary["label"], path, rows)
    return _join(heading, _table(rows, basis), _over_runs(summary, basis), revisions, _notes(rows) + findings)


def _mark(basis: Basis) -> list[str]:
    """Say that rewards are biased; where there are fresh ones, they have columns of their own."""
    return [basis.note] if basis.note and not basis.fresh else []


def _join(*sections: Sequence[str]) -> str:
    # The file may be shown by other programs than ours.
    return visible("\n\n".join("\n".join(section) for section in sections if section)) + "\n"


def _heading(label: str, path: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    models = ", ".join(sorted({models_label(row["model"], row["critic_model"] or "") for row in rows}))
    protocols = ", ".join(sorted({row["protocol"] for row in rows}))
    prompts = "".join(f", {each}" for each in sorted({row["prompts"] for row in rows} - {""}))
    lines = [f"{label}: {path}", f"model {models}, protocol {protocols}{prompts}"]
    stand_ins = [row["run"] for row in rows if row["stand_in"]]
    if stand_ins:
        whose = "" if len(stand_ins) == len(rows) else f" ({', '.join(stand_ins)})"
        lines.append(f"{STAND_IN}{whose}: these results say nothing about any model")
    return lines


def _table(rows: Sequence[dict[str, Any]], basis: Basis) -> list[str]:
    tell_success = any(row[name] is not None for row in rows for name in SUCCESS_METRICS)
    named = [_cells(row, basis) | (_success_cells(row) if tell_success else {}) for row in rows]
    cells = [list(named[0]), *(list(each.values()) for each in named)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(pad(row, widths, texts=(0,))).rstrip() for row in cells]
    lines.append("mean, std: over iterations; held-out: best policy on fresh episodes, ± over these")
    if basis.fresh:
        lines.append(
            "fresh mean, fresh final: accepted candidates on fresh episodes; mean and final are biased upwards"
        )
    return [*lines, *(["success: fraction of episodes; best: the largest of an iteration"] if tell_success else [])]


def _cells(row: dict[str, Any], basis: Basis) -> dict[str, str]:
    """Return what stands in a row, by heading."""
    fresh = {f"fresh {name}": _number(row[f"reevaluated_{name}_reward"]) for name in ("mean", "final")}
    best_at = "-" if row["best_iteration"] is None else str(row["best_iteration"])
    return {
        "run": row["run"] + ("" if row["complete"] else " *"),
        "iterations": str(row["num_iterations"]),
        "best": _number(row["best_reward"]),
        "best at": best_at,
        "held-out": _plus_minus(row["heldout_reward"], row["heldout_std"]),
        "mean": _number(row["mean_reward"]),
        "std": _number(row["std_reward"]),
        "final": _number(row["final_reward"]),
        **(fresh if basis.fresh else {}),
        "episodes": _count(row["episodes"]),
        "calls": _count(row["llm_calls"]),
        "model time": _clock(row["llm_s"]),
    }


def _success_cells(row: dict[str, Any]) -> dict[str, str]:
    """Return success rates, by heading."""
    return {f"{_metric_label(name)} success": _number(row[name]) for name in SUCCESS_METRICS}


def _metric_label(name: str) -> str:
    return name.rpartition("_")[0].replace("heldout", "held-out")


def _over_runs(summary: dict[str, Any], basis: Basis) -> list[str]:
    count, parts = summary["num_runs"], summary["parts"]
    if parts:
        return [f"no means: these runs are of {len(parts)} experiments, each with a report of its own below"]
    if count == 1:
        return ["a single run: nothing can be said about the spread over runs"]
    lines = [f"over {count} runs{few_mark(count)}: mean ± sample standard deviation"]
    fresh = {"reevaluated_mean": "fresh mean", "reevaluated_final": "fresh final"} if basis.fresh else {}
    names = {"best": "best", "heldout": "held-out", "mean": "mean", "final": "final", **fresh}
    width = max(map(len, names.values()))
    for name, shown in names.items():
        cell = _plus_minus(summary[f"{name}_reward_mean"], summary[f"{name}_reward_std"])
        of = f" ({summary['heldout_num_runs']} of {count} runs)" if name == "heldout" else ""
        lines.append(f"  {shown:{width}}  {cell}{of}")
    told = [name for name in SUCCESS_METRICS if summary[f"{name}_mean"] is not None]
    rates = [_plus_minus(summary[f"{name}_mean"], summary[f"{name}_std"]) for name in told]
    if told:
        text = ", ".join(map(" ".join, zip(map(_metric_label, told), rates, strict=True)))
        lines.append(f"  {'success':{width}}  {text}")
    return [*lines, *few_note([count])]


def _notes(rows: Sequence[dict[str, Any]]) -> list[str]:
    lines = [f"{row['run']}: {note}" for row in rows for note in row["notes"]]
    unfinished = [row for row in rows if not row["complete"]]
    if not unfinished:
        return lines
    names = ", ".join(
        f"{row['run']} ({progress(row['num_iterations'], row['planned_iterations'])})" for row in unfinished
    )
    return [f"* unfinished, counted with what is there: {names}", *lines]


def _plus_minus(value: float | None, spread: float | None) -> str:
    if value is None:
        return "-"
    return _number(value) if spread is None else f"{_number(value)} ± {_number(spread)}"


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _number(value: float | None) -> str:
    """Write a number with 5 significant digits and no negative zero."""
    if value is None:
        return "-"
    text = f"{value:.5g}"
    return "0" if text == "-0" else text


def _clock(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
