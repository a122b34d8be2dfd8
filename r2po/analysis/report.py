"""``eval_report/``: summaries and figures of each run, and of all runs of a log directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from r2po.analysis.canvas import render
from r2po.analysis.figures import api_time, has_returns, reward_distribution, training_curve
from r2po.analysis.load import LogDirectory
from r2po.analysis.names import environment_label
from r2po.analysis.panel import Panel
from r2po.analysis.run_data import RunData
from r2po.analysis.style import method_style
from r2po.analysis.summary import summarise_run, summarise_runs, to_json
from r2po.analysis.text import run_text, runs_text
from r2po.errors import InputError
from r2po.jsonl import write_atomically

FOLDER = "eval_report"
FIGURES = (
    ("training_curve", training_curve, ("png", "pdf")),
    ("reward_distribution", reward_distribution, ("png",)),
    ("api_time", api_time, ("png",)),
)


def write_report(logs: LogDirectory, label: str | None = None, *, all_figures: bool = True) -> str:
    """Write ``eval_report/`` in the log directory and in each of its runs.

    Args:
        logs: The runs.
        label: Name of the experiment; by default its method and environment.
        all_figures: Whether each run gets figures too, and the training curve a PDF: they take most of the time.

    Returns:
        The content of the log directory's ``summary.txt``.

    Raises:
        InputError: A file cannot be written.
    """
    label = label or default_label(logs)
    summary = summarise_runs(logs, label)
    drawable = Panel(label, _drawable(logs.runs))
    text = runs_text(summary, str(logs.path), left_out=_left_out(drawable))
    try:
        for run in logs.runs:
            _write_run(logs.path / run.name, run, label, with_figures=all_figures)
        _write(logs.path, to_json(summary), text)
        _draw(logs.path, drawable, ("png", "pdf") if all_figures else ("png",))
    except OSError as error:
        raise InputError(f"cannot write the report: {error}") from None
    return text


def default_label(logs: LogDirectory) -> str:
    """Return "R2PO on CartPole", or the folder's name if the runs are of several experiments."""
    names = {(run.method, run.algorithm, run.environment, run.variant) for run in logs.runs}
    if len(names) > 1:
        return logs.path.resolve().name
    method, algorithm, environment, variant = names.pop()
    label = method_style(method).label + (f"-{algorithm}" if algorithm else "")
    return f"{label} on {environment_label(environment)}" + (f" ({variant})" if variant else "")


def _drawable(runs: Sequence[RunData]) -> list[RunData]:
    return [run for run in runs if run.num_iterations]


def _write_run(folder: Path, run: RunData, label: str, *, with_figures: bool) -> None:
    summary = summarise_run(run)
    folder.mkdir(exist_ok=True)  # of some baselines there are only summaries
    _write(folder, to_json(summary), run_text(summary, label, str(folder)))
    if with_figures:
        _draw(folder, Panel(f"{label}, {run.name}", _drawable([run])), ("png", "pdf"))


def _write(folder: Path, json: bytes, text: str) -> None:
    report = folder / FOLDER
    report.mkdir(exist_ok=True)
    write_atomically(report / "summary.json", json)
    write_atomically(report / "summary.txt", text.encode())


def _left_out(panel: Panel) -> list[str]:
    """Name the figures for which the logs do not hold what they show."""
    if not panel.runs:
        return ["no figures: the iterations are not logged"]
    return [] if has_returns(panel) else ["no reward_distribution.png: the log holds no returns of single rollouts"]


def _draw(folder: Path, panel: Panel, formats: Sequence[str]) -> None:
    """Draw the figures for which the logs hold what they show."""
    for name, draw, suffixes in FIGURES:
        if not panel.runs or (draw is reward_distribution and not has_returns(panel)):
            continue
        for suffix, data in render(draw, panel, [each for each in suffixes if each in formats]).items():
            write_atomically(folder / FOLDER / f"{name}.{suffix}", data)
