"""``paper_significance_tests.py``: R2PO against its baselines, tested."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from r2po.cli.analysis_options import METRICS, add_as_published, add_logs_options, add_reference_options, compared, warn
from r2po.cli.starting import place
from r2po.errors import InputError

if TYPE_CHECKING:
    from r2po.analysis.significance.report import Parts


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--comparison-mode",
        choices=("best", "all"),
        default="best",
        help="against the best baseline of each environment, or against each (default: best)",
    )
    parser.add_argument("--metric", choices=METRICS, default="mean_reward", help="default: mean_reward")
    parser.add_argument(
        "--format",
        choices=("markdown", "md", "latex", "csv", "json"),
        help="default: by the ending of --output, else markdown",
    )
    parser.add_argument("--output", type=place, metavar="FILE", help="file to write (default: print)")
    parser.add_argument(
        "--figure",
        nargs="+",
        default=[],
        type=place,
        metavar="FILE",
        help="draw the tests as well: .png, .pdf, .svg",
    )
    add_logs_options(parser)
    add_reference_options(parser, "the published tests")
    add_as_published(parser)


def run(options: argparse.Namespace) -> int:
    """Test and print, and draw."""
    figures = [_figure_file(name) for name in options.figure]
    options.format = options.format or _format_of(options.output)

    from r2po.analysis.logs.comparable import cohorts
    from r2po.analysis.logs.fresh import basis_of, runs_of, settled
    from r2po.analysis.significance.report import significance_rows, tested_ones

    found, lines = compared(options)
    experiments = tested_ones(found)
    with_reference = options.reference == "published"
    basis = basis_of(runs_of(experiments), as_published=options.as_published, with_reference=with_reference)
    experiments, options.notes = settled(experiments, basis), basis.notes(options.metric)
    warn([*lines, *basis.warnings(options.metric)])
    parts: Parts = [
        (cohort, significance_rows(part, options.metric, options.comparison_mode))
        for cohort, part in cohorts(experiments) or [(None, [])]
    ]
    text = _render(parts, options)
    if options.output is None:
        sys.stdout.write(text)
    else:
        _write(text, options.output)
    for figure in figures:
        _draw(parts, figure, options)
    return 0


def _write(text: str, output: str) -> None:
    try:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {output!r}: {error.strerror or error}") from None
    sys.stdout.write(f"{output}\n")


def _format_of(output: str | None) -> str:
    suffix = Path(output or "").suffix.lower()
    return {".json": "json", ".csv": "csv", ".tex": "latex"}.get(suffix, "markdown")


def _figure_file(name: str) -> Path:
    path = Path(name)
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"--figure {name!r} ends in {path.suffix!r}; expected .png, .pdf or .svg")
    return path


def _draw(parts: Parts, file: Path, options: argparse.Namespace) -> None:
    from r2po.analysis.output.files import folder_name
    from r2po.analysis.output.writing import write_figure
    from r2po.analysis.significance.figure import shown, significance_figure
    from r2po.analysis.significance.report import title

    for cohort, rows in parts:
        about = " ".join([*([f"Runs: {cohort.label}."] if cohort else []), *options.notes])
        if not any(map(shown, rows)):
            warn([f"no figure {file}{f' of {cohort.label}' if cohort else ''}: nothing could be tested"])
            continue
        stem = file.with_suffix("")
        if len(parts) > 1 and cohort is not None:
            stem = stem.with_name(f"{stem.name}_{folder_name(cohort.label)}")
        draw = partial(significance_figure, rows, title(options.metric, options.comparison_mode), about)
        for path in write_figure(draw, stem, [file.suffix[1:]]):
            sys.stderr.write(f"figure: {path}\n")


def _render(parts: Parts, options: argparse.Namespace) -> str:
    from r2po.analysis.output.files import to_json
    from r2po.analysis.output.writing import content
    from r2po.analysis.significance.report import to_records, to_table

    with_reference = options.reference == "published"
    if options.format == "json":
        records = [
            record
            for cohort, rows in parts
            for record in to_records(rows, cohort, options.metric, with_reference=with_reference, notes=options.notes)
        ]
        return to_json(records).decode()
    table = to_table(parts, options.metric, options.comparison_mode, with_reference=with_reference, notes=options.notes)
    return content(table, "md" if options.format == "markdown" else options.format).decode()
