"""``paper_significance_tests.py``: R2PO against its baselines, tested."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from r2po.cli.analysis_options import (
    METRICS,
    add_as_published,
    add_logs_options,
    add_methods_option,
    add_reference_options,
    found,
    warn,
)
from r2po.cli.starting import place
from r2po.errors import InputError

if TYPE_CHECKING:
    from r2po.analysis.significance.rules import Rules
    from r2po.analysis.significance.tables import Report


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--comparison-mode",
        choices=("best", "all"),
        help="against the best baseline of each environment, or against each (default: as --primary, else best)",
    )
    text = f"of {', '.join(METRICS)} (default: that of --primary, else mean_reward)"
    parser.add_argument("--metric", choices=METRICS, metavar="METRIC", help=text)
    parser.add_argument(
        "--pairing",
        choices=("auto", "never"),
        default="auto",
        help="auto: where all runs of both methods are pairs by their seeds, test the pairs (default: auto)",
    )
    parser.add_argument(
        "--primary",
        metavar="METRIC[:FAMILY[:CORRECTION]]",
        help="the one comparison that was declared before the results were known, e.g. heldout_reward:best:holm; "
        "FAMILY: best, all or a baseline (default: best); CORRECTION: holm or bonferroni (default: holm); "
        "all else is marked exploratory",
    )
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
    parser.add_argument("--envs", nargs="+", default=(), metavar="ENV", help="environments (default: all)")
    add_methods_option(parser, "test R2PO against these methods, in this order")
    add_logs_options(parser)
    add_reference_options(parser, "the published tests")
    add_as_published(parser)


def run(options: argparse.Namespace) -> int:
    """Test and print, and draw."""
    figures = [_figure_file(name) for name in options.figure]
    options.format = options.format or _format_of(options.output)

    report = _report(options)
    text = _render(report, options.format)
    if options.output is None:
        sys.stdout.write(text)
    else:
        _write(text, options.output)
    for figure in figures:
        _draw(report, figure)
    return 0


def _report(options: argparse.Namespace) -> Report:
    from r2po.analysis.logs.built_in import OURS
    from r2po.analysis.logs.comparable import choose, cohorts
    from r2po.analysis.logs.fresh import basis_of, runs_of, settled
    from r2po.analysis.logs.names import parse_environment
    from r2po.analysis.significance.report import conditions_of, significance_rows, tested_ones
    from r2po.analysis.significance.rules import resolved
    from r2po.analysis.significance.tables import Report

    rules = _rules(options)
    everything, asked = found(options, OURS)
    rules = replace(rules, methods=tuple(facts["name"] for facts in asked if facts["name"] != OURS))
    there, lines = choose(everything)
    if rules.primary:
        rules = replace(rules, primary=resolved(rules.primary, there, rules.methods))
    primary = rules.primary
    metric = options.metric or (primary.metric if primary else "mean_reward")
    mode = options.comparison_mode or (primary.mode if primary else "best")
    with_reference = options.reference == "published"
    experiments = tested_ones(there, rules.methods)
    basis = basis_of(runs_of(experiments), as_published=options.as_published, with_reference=with_reference)
    warn([*lines, *basis.warnings(metric)])
    members = cohorts(settled(experiments, basis)) or [(None, [])]
    only = {parse_environment(name, (each.task for each in everything)) for name in options.envs}
    rows_of = [(cohort, significance_rows(part, metric, mode, rules)) for cohort, part in members]
    parts = [(cohort, [row for row in rows if not only or row.environment in only]) for cohort, rows in rows_of]
    conditions = [conditions_of(rows, part) for (_, rows), (_, part) in zip(parts, members, strict=True)]
    return Report(parts, metric, mode, rules, with_reference, basis.notes(metric), conditions)


def _rules(options: argparse.Namespace) -> Rules:
    from r2po.analysis.significance.rules import Rules, parse_primary

    if options.as_published and options.primary:
        raise InputError("--primary is no part of the published analysis: leave it out, or --as-published")
    primary = parse_primary(options.primary) if options.primary else None
    return Rules(options.pairing == "auto", options.as_published, primary)


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


def _draw(report: Report, file: Path) -> None:
    from r2po.analysis.output.files import folder_name
    from r2po.analysis.output.writing import write_figure
    from r2po.analysis.significance.figure import shown, significance_figure
    from r2po.analysis.significance.tables import title

    for (cohort, rows), conditions in zip(report.parts, report.conditions, strict=True):
        about = " ".join([*([f"Runs: {cohort.label}."] if cohort else []), *report.notes, *conditions])
        if not any(map(shown, rows)):
            warn([f"no figure {file}{f' of {cohort.label}' if cohort else ''}: nothing could be tested"])
            continue
        stem = file.with_suffix("")
        if len(report.parts) > 1 and cohort is not None:
            stem = stem.with_name(f"{stem.name}_{folder_name(cohort.label)}")
        name = title(report.metric, report.mode, report.rules, rows)
        draw = partial(significance_figure, rows, name, about)
        for path in write_figure(draw, stem, [file.suffix[1:]]):
            sys.stderr.write(f"figure: {path}\n")


def _render(report: Report, name: str) -> str:
    from r2po.analysis.output.files import to_json
    from r2po.analysis.output.writing import content
    from r2po.analysis.significance.report import to_records

    if name == "json":
        records = [
            record
            for cohort, rows in report.parts
            for record in to_records(
                rows, cohort, report.metric, report.rules, with_reference=report.with_reference, notes=report.notes
            )
        ]
        return to_json(records).decode()
    if name == "csv":
        return content(report.one_table, "csv").decode()
    return "\n".join(content(table, "latex" if name == "latex" else "md").decode() for table in report.tables)
