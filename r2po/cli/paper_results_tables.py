"""``paper_results_tables.py``: the results tables of the paper, from logs or from the published figures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from r2po.cli.analysis_options import PRESETS, add_logs_options, add_output_options, add_reference_options, show, warn
from r2po.errors import InputError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--preset", choices=PRESETS, default="core", help="which methods (default: core)")
    add_logs_options(parser)
    add_output_options(parser, "results_tables")
    parser.add_argument("--envs", nargs="+", default=(), metavar="ENV", help="environments (default: all)")
    parser.add_argument("--expected-runs", type=int, metavar="N", help="report experiments with another number of runs")
    parser.add_argument(
        "--strict-validation",
        action="store_true",
        help="leave such experiments out (default of --expected-runs: that of --max-runs)",
    )
    add_reference_options(parser, "published figures, with z,", alone="the tables")


def run(options: argparse.Namespace) -> int:
    """Write one table per metric in each format."""
    from r2po.analysis.logs.experiments import find_experiments
    from r2po.analysis.logs.names import parse_environment
    from r2po.analysis.output.writing import write_table
    from r2po.analysis.paper.results_tables import Validation, build_published_tables, build_tables, validation_table

    prefix = Path(options.output_dir) / options.preset
    if options.from_published:
        environments = [parse_environment(name) for name in options.envs]
        if options.reference or options.strict_validation or options.expected_runs:
            raise InputError(
                "--from-published reads no logs: leave out --reference, --expected-runs, --strict-validation"
            )
        for name, table in build_published_tables(options.preset, environments).items():
            show(write_table(table, f"{prefix}_{name}", options.formats))
        sys.stdout.write("the published figures include neither final nor held-out rewards\n")
        return 0
    expected = options.expected_runs or (options.max_runs if options.strict_validation else None)
    validation = Validation(expected, options.strict_validation)
    experiments = find_experiments(options.logs_root, options.max_runs, options.envs, parallel=True)
    environments = [parse_environment(name, (each.task for each in experiments)) for name in options.envs]
    tables = build_tables(
        options.preset,
        experiments,
        validation,
        environments=environments,
        with_reference=options.reference == "published",
    )
    warn(validation.lines)
    for name, table in tables.items():
        show(write_table(table, f"{prefix}_{name}", options.formats))
    for old in prefix.parent.glob(f"{prefix.name}_missing.*"):
        old.unlink()
    if validation.rows:
        warn(validation.summary())
        show(write_table(validation_table(options.preset, validation), f"{prefix}_missing", options.formats))
    return 0
