"""``eval_all_results.py``: sum up the runs of every experiment under a folder."""

from __future__ import annotations

import argparse
import sys

from r2po.cli.analysis_options import add_as_published, add_logs_options, add_only_options, warn


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_logs_options(parser)
    add_only_options(parser)
    parser.add_argument(
        "--figures",
        choices=("all", "experiments", "auto"),
        default="auto",
        help="draw figures of each run as well, or of experiments only; auto: of each run, up to 100 runs "
        "(default: auto)",
    )
    add_as_published(parser)


def run(options: argparse.Namespace) -> int:
    """Write ``eval_report/`` in each log directory and each run; print a line for each experiment."""
    from r2po.analysis.evaluation.evaluate_all import evaluate_all

    for evaluation in evaluate_all(
        options.logs_root,
        options.max_runs,
        options.only_env,
        options.only_method,
        options.figures,
        methods=options.methods,
        as_published=options.as_published,
    ):
        warn(evaluation.warnings)
        if evaluation.line:
            sys.stdout.write(f"{evaluation.line}\n")
    return 0
