"""``paper_results_tables.py``: the results tables of the paper, from logs or from the published figures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from r2po.cli.analysis_options import (
    add_as_published,
    add_logs_options,
    add_output_options,
    add_preset_options,
    add_reference_options,
    found,
    positive,
    show,
    warn,
)
from r2po.errors import InputError

EXPECTED = {
    "--expected-episodes": ("methods with two calls per iteration", 100),
    "--expected-props-episodes": ("ProPS and ProPS+", 200),
    "--expected-critic-only-episodes": ("CriticOnly", 200),
    "--expected-sb3-episodes": ("Stable-Baselines3", 190),
}
"""Options that say how many iterations, which the published code calls episodes, a run of some methods is to have."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_preset_options(parser)
    add_logs_options(parser)
    add_output_options(parser, "results_tables")
    parser.add_argument("--envs", nargs="+", default=(), metavar="ENV", help="environments (default: all)")
    parser.add_argument("--expected-runs", type=int, metavar="N", help="report experiments with another number of runs")
    for option, (methods, usual) in EXPECTED.items():
        text = f"report runs of {methods} with another number of iterations ({usual} with --strict-validation)"
        parser.add_argument(option, type=positive, metavar="N", help=text)
    parser.add_argument(
        "--strict-validation",
        action="store_true",
        help="leave such experiments out (default of --expected-runs: that of --max-runs)",
    )
    add_reference_options(parser, "published figures, and a test of the difference,", alone="the tables", of_props=True)
    add_as_published(parser)


def _expected_iterations(options: argparse.Namespace) -> dict[str, int]:
    """Return how many iterations each run of a method is to have; black-box search has no fixed number."""
    from r2po.analysis.logs.built_in import BUILT_IN

    given = {option: getattr(options, option[2:].replace("-", "_")) for option in EXPECTED}
    if options.strict_validation:
        given = {option: value or EXPECTED[option][1] for option, value in given.items()}
    by_method = {name: given["--expected-episodes"] for name, facts in BUILT_IN.items() if facts["roles"]}
    by_method |= dict.fromkeys(("props", "propsp"), given["--expected-props-episodes"])
    by_method["critic_only"] = given["--expected-critic-only-episodes"]
    by_method["sb3"] = given["--expected-sb3-episodes"]
    return {name: value for name, value in by_method.items() if value is not None}


def run(options: argparse.Namespace) -> int:
    """Write one table per metric in each format."""
    from r2po.analysis.logs.chosen import choose_methods
    from r2po.analysis.logs.names import parse_environment
    from r2po.analysis.output.writing import write_table
    from r2po.analysis.paper.presets import CHOSEN
    from r2po.analysis.paper.results_tables import build_published_tables, build_tables
    from r2po.analysis.paper.validation import Validation, validation_table

    preset = CHOSEN if options.methods else options.preset
    prefix = Path(options.output_dir) / preset
    if options.from_published:
        environments = [parse_environment(name) for name in options.envs]
        if options.reference or options.strict_validation or options.expected_runs or _expected_iterations(options):
            raise InputError(
                "--from-published reads no logs: leave out --reference, --expected-..., --strict-validation"
            )
        methods = choose_methods((), options.methods).methods
        for name, table in build_published_tables(preset, environments, methods).items():
            show(write_table(table, f"{prefix}_{name}", options.formats))
        sys.stdout.write("the published figures include neither final nor held-out rewards\n")
        return 0
    expected = options.expected_runs or (options.max_runs if options.strict_validation else None)
    validation = Validation(expected, options.strict_validation, expected_iterations=_expected_iterations(options))
    experiments, methods = found(options)
    environments = [parse_environment(name, (each.task for each in experiments)) for name in options.envs]
    tables = build_tables(
        preset,
        experiments,
        validation,
        methods=methods,
        environments=environments,
        reference=options.reference or "",
        as_published=options.as_published,
    )
    warn(validation.lines)
    for name, table in tables.items():
        show(write_table(table, f"{prefix}_{name}", options.formats))
    for old in prefix.parent.glob(f"{prefix.name}_missing.*"):
        old.unlink()
    if validation.rows:
        warn(validation.summary())
        show(write_table(validation_table(preset, validation), f"{prefix}_missing", options.formats))
    return 0
