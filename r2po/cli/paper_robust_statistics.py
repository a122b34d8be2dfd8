"""``paper_robust_statistics.py``: methods over all environments at once."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from r2po.cli.analysis_options import add_logs_options, add_only_options, add_report_options, positive, warn
from r2po.cli.paper_significance_tests import METRICS
from r2po.errors import InputError

if TYPE_CHECKING:
    from r2po.analysis.logs.experiments import Cohort
    from r2po.analysis.robust.summary import Robust


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--metric", choices=METRICS, default="best_reward", help="default: best_reward")
    add_report_options(parser, "robust_statistics")
    add_logs_options(parser)
    add_only_options(parser)
    parser.add_argument(
        "--resamples", type=positive, default=10_000, metavar="N", help="of the bootstrap (default: 10000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")


def run(options: argparse.Namespace) -> int:
    """Write tables and figures, for each model and protocol apart."""
    from r2po.analysis.logs.comparable import choose, cohorts
    from r2po.analysis.logs.experiments import find_experiments
    from r2po.analysis.output.sheet import folder_name
    from r2po.analysis.robust.summary import analyse

    experiments, lines = choose(
        find_experiments(options.logs_root, options.max_runs, options.only_env, options.only_method, parallel=True)
    )
    warn(lines)
    parts = cohorts(experiments)
    if not parts:
        raise InputError(f"no runs in {options.logs_root!r} to compare")
    for cohort, part in parts:
        robust = analyse(part, options.metric, options.seed, options.resamples)
        folder = Path(options.output_dir)
        if len(parts) > 1 and cohort is not None:
            folder /= folder_name(cohort.label)
        for file in _write(robust, cohort, folder, options):
            sys.stdout.write(f"{file}\n")
        warn(robust.notes)
    return 0


def _write(robust: Robust, cohort: Cohort | None, folder: Path, options: argparse.Namespace) -> list[Path]:
    from r2po.analysis.output import tables as output
    from r2po.analysis.output.sheet import FIGURE_FORMATS, write_figure, write_text
    from r2po.analysis.robust import figures, tables
    from r2po.analysis.significance.report import METRIC_LABELS

    of = f"of the {METRIC_LABELS[options.metric]}"
    names = {
        "aggregates": f"Aggregates over environments {of}",
        "probability_of_improvement": f"Probability of improvement {of}",
        "performance_profiles": f"Performance profiles {of}",
    }
    about = f"{options.resamples} resamples, seed {options.seed}" + (f"; runs: {cohort.label}" if cohort else "")
    make_tables = (tables.aggregates_table, tables.improvement_table, tables.profiles_table)
    draw = (figures.aggregates_figure, figures.improvement_figure, figures.profiles_figure)
    texts = [name for name in options.formats if name not in (*FIGURE_FORMATS, "json")]
    files: list[Path] = []
    for (name, title), make, figure in zip(names.items(), make_tables, draw, strict=True):
        path = folder / f"{options.metric}_{name}"
        files += output.write(make(robust, title, (about,)), path, texts)
        files += write_figure(partial(figure, robust, title, f"{about}."), path, options.formats)
    if "json" in options.formats:
        record = {"metric": options.metric, "seed": options.seed, "resamples": options.resamples}
        record |= {"cohort": cohort.label if cohort else None} | tables.to_record(robust)
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        files.append(write_text(folder / f"{options.metric}_robust_statistics.json", text))
    return files
