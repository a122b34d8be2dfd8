"""Several log directories side by side: one figure and one summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from r2po.analysis.evaluation.summary import summarise_runs
from r2po.analysis.logs.comparable import Named, conditions
from r2po.analysis.logs.fresh import basis_of, runs_of, settled
from r2po.analysis.logs.load import LogDirectory
from r2po.analysis.logs.run_data import STAND_IN, drawable, models_label
from r2po.analysis.output.curves import CurvePanel, distinct_styles, draw_curves, drops_phrase, runs_phrase
from r2po.analysis.output.files import to_json, write_file
from r2po.analysis.output.lines import Curve
from r2po.analysis.output.scores import few_note
from r2po.analysis.output.writing import write_figure


def write_comparison(
    experiments: Sequence[LogDirectory], labels: Sequence[str], folder: Path, *, as_published: bool = False
) -> list[Path]:
    """Write the comparison of several log directories, each with a label, to a folder; returns the files.

    ``as_published`` draws logged rewards, and lines on where runs have ended.

    Raises:
        InputError: A file cannot be written.
    """
    files = [write_file(folder / "comparison_summary.json", to_json(_summary(experiments, labels)))]
    basis = basis_of(runs_of(experiments), as_published=as_published)
    panels, title, caption = _figure(settled(experiments, basis), labels, unbroken=as_published)
    caption = f"{caption} {basis.note}".rstrip()
    if any(panel.curves for panel in panels):
        draw = partial(draw_curves, panels, title, caption)
        files += write_figure(draw, folder / "comparison_training_curve", ("png", "pdf"))
    return files


def _summary(experiments: Sequence[LogDirectory], labels: Sequence[str]) -> dict[str, Any]:
    """Return the summaries of the log directories, without those of their single runs."""
    entries = []
    for logs, label in zip(experiments, labels, strict=True):
        summary = summarise_runs(logs, label)
        rows = summary.pop("per_run_summaries")
        names = {key: sorted({row[key] for row in rows}) for key in ("environment", "method", "model", "protocol")}
        names |= {key: sorted({row[key] for row in rows} - {None, ""}) for key in ("critic_model", "prompts")}
        entries.append({"logdir": str(logs.path), **summary, **names})
    return {"experiments": entries}


def _figure(
    experiments: Sequence[LogDirectory], labels: Sequence[str], *, unbroken: bool = False
) -> tuple[list[CurvePanel], str, str]:
    """Return a panel for each environment, a title and a caption."""
    pairs = [(logs, label) for logs, label in zip(experiments, labels, strict=True) if drawable(logs.runs)]
    environments = list(dict.fromkeys(logs.runs[0].environment for logs, _ in pairs))
    panels, phrases = [], []
    for environment in environments:
        here = [(logs, label) for logs, label in pairs if logs.runs[0].environment == environment]
        styles = distinct_styles([logs.runs[0].facts["style"] for logs, _ in here])
        curves = [
            Curve(label, style, drawable(logs.runs), unbroken=unbroken)
            for (logs, label), style in zip(here, styles, strict=True)
        ]
        run = here[0][0].runs[0]
        panels.append(CurvePanel(run.task["label"], curves, run.target))
        phrases.append(runs_phrase(curves))
    runs = [run for logs, _ in pairs for run in logs.runs]
    asked = {(models_label(run.model, run.critic_model), run.protocol, run.prompts) for run in runs}
    models = ", ".join(f"{model} ({', '.join(filter(None, others))})" for model, *others in sorted(asked))
    mark = f"[{STAND_IN}]" if any(run.stand_in for run in runs) else ""
    caption = (
        "Reward of the accepted candidate over all episodes spent, warm-up included: mean over runs on a common grid. "
        f"Band: \u00b1 1 sample standard deviation over runs; {'; '.join(dict.fromkeys(phrases))}. Model: {models}."
    )
    few = few_note(len(curve.runs) for panel in panels for curve in panel.curves)
    return panels, mark, " ".join(filter(None, [caption, drops_phrase(panels), *conditions(_named(pairs)), *few]))


def _named(pairs: Iterable[tuple[LogDirectory, str]]) -> list[Named]:
    tasks = [logs.runs[0].task["label"] for logs, _ in pairs]
    return [
        Named(label.removesuffix(f" on {task}"), task, logs.runs)
        for (logs, label), task in zip(pairs, tasks, strict=True)
    ]
