"""``eval_report/``: summaries and figures of each run, and of all runs of a log directory."""

from __future__ import annotations

from pathlib import Path

from r2po.analysis.canvas import render
from r2po.analysis.figures import api_time, reward_distribution, training_curve
from r2po.analysis.load import LogDirectory
from r2po.analysis.panel import Panel
from r2po.analysis.run_data import RunData
from r2po.analysis.style import method_style
from r2po.analysis.summary import summarise_run, summarise_runs, to_json
from r2po.analysis.text import run_text, runs_text
from r2po.errors import InputError
from r2po.jsonl import write_atomically
from r2po.tasks import TASKS

FOLDER = "eval_report"
FIGURES = (
    ("training_curve", training_curve, ("png", "pdf")),
    ("reward_distribution", reward_distribution, ("png",)),
    ("api_time", api_time, ("png",)),
)


def write_report(logs: LogDirectory, label: str | None = None) -> str:
    """Write ``eval_report/`` in the log directory and in each of its runs.

    Args:
        logs: The runs.
        label: Name of the experiment; by default its method and environment.

    Returns:
        The content of the log directory's ``summary.txt``.

    Raises:
        InputError: A file cannot be written.
    """
    label = label or default_label(logs)
    summary = summarise_runs(logs, label)
    text = runs_text(summary, str(logs.path))
    try:
        for run in logs.runs:
            _write_run(logs.path / run.name, run, label)
        _write(logs.path, to_json(summary), text, Panel(label, logs.runs))
    except OSError as error:
        raise InputError(f"cannot write the report: {error}") from None
    return text


def default_label(logs: LogDirectory) -> str:
    """Return "R2PO on CartPole", or the folder's name if the runs are of several experiments."""
    pairs = {(run.method, run.environment) for run in logs.runs}
    if len(pairs) > 1:
        return logs.path.resolve().name
    method, environment = pairs.pop()
    task = TASKS.get(environment)
    return f"{method_style(method).label} on {task.label if task else environment}"


def _write_run(folder: Path, run: RunData, label: str) -> None:
    summary = summarise_run(run)
    _write(folder, to_json(summary), run_text(summary, label, str(folder)), Panel(f"{label}, {run.name}", [run]))


def _write(folder: Path, json: bytes, text: str, panel: Panel) -> None:
    report = folder / FOLDER
    report.mkdir(exist_ok=True)
    write_atomically(report / "summary.json", json)
    write_atomically(report / "summary.txt", text.encode())
    for name, draw, suffixes in FIGURES:
        for suffix, data in render(draw, panel, suffixes).items():
            write_atomically(report / f"{name}.{suffix}", data)
