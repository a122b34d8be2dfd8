"""``paper_robust_statistics.py``: methods over all environments at once."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from r2po.cli.analysis_options import (
    METRICS,
    add_as_published,
    add_logs_options,
    add_only_options,
    add_output_options,
    compared,
    folder_of,
    positive,
    show,
    warn,
)
from r2po.errors import InputError

if TYPE_CHECKING:
    from r2po.analysis.logs.experiments import Cohort
    from r2po.analysis.output.tables import Table
    from r2po.analysis.output.writing import Draw
    from r2po.analysis.robust.summary import Robust


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    text = f"of {', '.join(METRICS)} (default: best_reward)"
    parser.add_argument("--metric", choices=METRICS, default="best_reward", metavar="METRIC", help=text)
    add_output_options(parser, "robust_statistics", with_figures=True)
    add_logs_options(parser)
    add_only_options(parser)
    parser.add_argument(
        "--resamples", type=positive, default=10_000, metavar="N", help="bootstrap resamples (default: 10000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap (default: 0)")
    add_as_published(parser)


def run(options: argparse.Namespace) -> int:
    """Write tables and figures, for each model and protocol apart."""
    from r2po.analysis.logs.comparable import cohorts, conditions, named, other_protocols
    from r2po.analysis.logs.fresh import basis_of, runs_of, settled
    from r2po.analysis.output.writing import write_all
    from r2po.analysis.robust.summary import analyse
    from r2po.analysis.robust.tables import to_record

    experiments, lines = compared(options)
    basis = basis_of(runs_of(experiments), as_published=options.as_published)
    warn([*lines, *basis.warnings(options.metric)])
    parts = cohorts(settled(experiments, basis))
    if not parts:
        raise InputError(f"no runs in {options.logs_root!r} to compare")
    for cohort, part in parts:
        robust = analyse(part, options.metric, options.seed, options.resamples)
        folder = folder_of(cohort, parts, Path(options.output_dir))
        record = {"metric": options.metric, "seed": options.seed, "resamples": options.resamples}
        record |= {"cohort": cohort.label if cohort else None} | to_record(robust)
        notes = [*basis.notes(options.metric), *other_protocols(cohort, part), *conditions(named(part))]
        record["notes"] = [*record["notes"], *notes]
        name = f"{options.metric}_robust_statistics.json"
        show(write_all(folder, _items(robust, cohort, options, notes), options.formats, name, record))
        warn(robust.notes)
    return 0


def _items(
    robust: Robust, cohort: Cohort | None, options: argparse.Namespace, notes: Sequence[str]
) -> Iterator[tuple[str, Table | Draw]]:
    from r2po.analysis.robust import figures, tables
    from r2po.analysis.robust.summary import CURVE_RESAMPLES
    from r2po.analysis.significance.report import METRIC_LABELS

    metric = METRIC_LABELS[options.metric]
    runs = f"; runs: {cohort.label}" if cohort else ""
    about, of_curves = (
        f"{count} resamples, seed {options.seed}{runs}"
        for count in (options.resamples, min(options.resamples, CURVE_RESAMPLES))
    )
    caption = " ".join([f"{about}.", *notes])
    summed = any(each.aggregates for each in robust.summaries)
    compared_with = any(each.probability for each in robust.improvements)
    for name, title, make, draw, has_any in (
        ("aggregates", "Aggregates over environments", tables.aggregates_table, figures.aggregates_figure, summed),
        (
            "probability_of_improvement",
            "Probability of improvement",
            tables.improvement_table,
            figures.improvement_figure,
            compared_with,
        ),
        ("performance_profiles", "Performance profiles", tables.profiles_table, figures.profiles_figure, summed),
    ):
        yield f"{options.metric}_{name}", make(robust, f"{title}: {metric}", (about, *notes))
        if has_any:
            said = caption.replace(about, of_curves) if draw is figures.profiles_figure else caption
            yield f"{options.metric}_{name}", partial(draw, robust, f"{title}: {metric}", said)
    if compared_with:
        name, title = f"{options.metric}_difference_of_iqm", f"R2PO against each method, difference of IQM: {metric}"
        yield name, partial(figures.difference_figure, robust, title, caption)
