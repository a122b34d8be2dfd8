"""``eval_report/``: summaries and figures of each run, and of all runs of a log directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from r2po.analysis.evaluation.figures import (
    api_time,
    has_returns,
    reward_distribution,
    success_curve,
    tells_success,
    training_curve,
)
from r2po.analysis.evaluation.summary import summarise_run, summarise_runs
from r2po.analysis.evaluation.text import revisions_text, run_text, runs_text
from r2po.analysis.logs.comparable import distinctions
from r2po.analysis.logs.experiments import by_experiment, cohort_of
from r2po.analysis.logs.fresh import Basis, basis_of, settled_runs
from r2po.analysis.logs.load import LogDirectory
from r2po.analysis.logs.run_data import RunData, drawable
from r2po.analysis.output.canvas import render
from r2po.analysis.output.files import folder_name, to_json
from r2po.analysis.output.panel import Panel
from r2po.errors import InputError
from r2po.runlog.jsonl import write_atomically

FOLDER = "eval_report"
FIGURES = (
    ("training_curve", training_curve, ("png", "pdf")),
    ("success_curve", success_curve, ("png",)),
    ("reward_distribution", reward_distribution, ("png",)),
    ("api_time", api_time, ("png",)),
)


@dataclass(frozen=True)
class How:
    """Formats of the training curve, and whether text and figures show logged rewards alone."""

    formats: tuple[str, ...]
    as_published: bool


def write_report(
    logs: LogDirectory, label: str | None = None, *, all_figures: bool = True, as_published: bool = False
) -> str:
    """Write ``eval_report/`` in the log directory and in each of its runs; returns its own ``summary.txt``.

    Args:
        logs: The runs.
        label: Name of the experiment; by default its method and environment.
        all_figures: Whether each run gets figures too, and the training curve a PDF: they take most of the time.
        as_published: Whether text and figures show logged rewards alone.

    Raises:
        InputError: A file cannot be written.
    """
    how = How(("png", "pdf") if all_figures else ("png",), as_published)
    label = label or default_label(logs)
    try:
        for run in logs.runs:
            _write_run(logs.path / run.name, run, label, how, with_figures=all_figures)
        parts = experiments_in(logs)
        if len(parts) == 1:
            return _write_experiment(logs.path / FOLDER, logs, label, how)
        return _write_parts(logs, label, parts, how)
    except OSError as error:
        raise InputError(f"cannot write the report: {error}") from None


def experiments_in(logs: LogDirectory) -> list[tuple[str, LogDirectory]]:
    """Part the runs of a log directory into those of one experiment each, with a name; what is averaged is one part.

    Runs of different methods, environments, models or protocols in one folder are a mistake, or somebody's archive.
    """
    groups = by_experiment(logs.runs)
    if len(groups) == 1:
        return [(default_label(logs), logs)]
    parts = [LogDirectory(logs.path, runs, ()) for runs in groups]
    return list(zip(_names(parts), parts, strict=True))


def _names(parts: Sequence[LogDirectory]) -> list[str]:
    """Name experiments of one folder so that they can be told apart."""
    firsts = [part.runs[0] for part in parts]
    named = [(default_label(part), cohort_of(run)) for part, run in zip(parts, firsts, strict=True)]
    names = [f"{label}, {cohort.label if cohort else 'no language model'}" for label, cohort in named]
    names = [f"{name}, replay" if run.replay_of else name for name, run in zip(names, firsts, strict=True)]
    alike = {name: [part.runs for part, other in zip(parts, names, strict=True) if other == name] for name in names}
    rest = {name: iter(distinctions(groups)) for name, groups in alike.items()}
    names = [", ".join(filter(None, (name, next(rest[name])))) for name in names]
    # Templates and plugins that were edited have no name.
    names = _told_apart(names, "prompts", [run.prompts_hash for run in firsts])
    names = _told_apart(names, "plugins", [run.plugins_hash or "none" for run in firsts])
    return [name if names.count(name) == 1 else f"{name}, {run.name}" for name, run in zip(names, firsts, strict=True)]


def _told_apart(names: Sequence[str], what: str, hashes: Sequence[str]) -> list[str]:
    """Return names, with a hash where several of the same name differ in it."""
    pairs = [*zip(names, hashes, strict=True)]
    return [f"{name}, {what} {each}" if len({h for n, h in pairs if n == name}) > 1 else name for name, each in pairs]


def _write_experiment(report: Path, logs: LogDirectory, label: str, how: How) -> str:
    """Write the report on runs that may be averaged."""
    summary = summarise_runs(logs, label)
    basis = basis_of(logs.runs, as_published=how.as_published)
    panel = Panel(label, drawable(settled_runs(logs.runs, basis)), basis.note)
    revisions = revisions_text(logs.runs)
    text = runs_text(summary, str(logs.path), basis, left_out=_left_out(panel), revisions=revisions)
    _write(report, to_json(summary), text)
    _draw(report, panel, how.formats)
    return text


def _write_parts(logs: LogDirectory, label: str, parts: Sequence[tuple[str, LogDirectory]], how: How) -> str:
    """Write a report on each experiment that the folder holds, and one without means over all of them."""
    folders = {name: folder_name(name) for name, _ in parts}
    summary = summarise_runs(logs, label, parts=list(folders.values()))
    basis = basis_of(logs.runs, as_published=how.as_published)
    text = runs_text(summary, str(logs.path), Basis(basis.fresh))
    for name, part in parts:
        text += f"\n{_write_experiment(logs.path / FOLDER / folders[name], part, name, how)}"
    _write(logs.path / FOLDER, to_json(summary), text)
    return text


def default_label(logs: LogDirectory) -> str:
    """Return "R2PO on CartPole", or the folder's name if the runs are of several experiments."""
    run = logs.runs[0]
    if len({(run.method, run.algorithm, run.environment, run.variant) for run in logs.runs}) > 1:
        return logs.path.resolve().name
    return f"{run.label} on {run.task['label']}" + (f" ({run.variant})" if run.variant else "")


def _write_run(folder: Path, run: RunData, label: str, how: How, *, with_figures: bool) -> None:
    summary = summarise_run(run)
    basis = basis_of([run], as_published=how.as_published)
    _write(folder / FOLDER, to_json(summary), run_text(summary, label, str(folder), basis, revisions_text([run])))
    if with_figures:
        shown = drawable(settled_runs([run], basis))
        _draw(folder / FOLDER, Panel(f"{label}, {run.name}", shown, basis.note), ("png", "pdf"))


def _write(report: Path, json: bytes, text: str) -> None:
    report.mkdir(parents=True, exist_ok=True)
    write_atomically(report / "summary.json", json)
    write_atomically(report / "summary.txt", text.encode())


def _left_out(panel: Panel) -> list[str]:
    """Name the figures for which the logs do not hold what they show."""
    if not panel.runs:
        return ["no figures: the iterations are not logged"]
    if not has_returns(panel):
        return ["no reward_distribution.png: the log holds no returns of single rollouts"]
    missing = sum(returns is None for run in panel.runs for returns in run.returns)
    total = sum(run.num_iterations for run in panel.runs)
    return [f"reward_distribution.png lacks {missing} of {total} iterations"] if missing else []


def _draw(report: Path, panel: Panel, formats: Sequence[str]) -> None:
    """Draw the figures for which the logs hold what they show."""
    for name, draw, suffixes in FIGURES:
        if not panel.runs or (draw is reward_distribution and not has_returns(panel)):
            continue
        if draw is success_curve and not tells_success(panel):
            continue
        for suffix, data in render(draw, panel, [each for each in suffixes if each in formats]).items():
            write_atomically(report / f"{name}.{suffix}", data)
