"""``eval.py`` and ``r2po eval``: sum up the runs of log directories, and compare them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from r2po.cli.analysis_options import add_as_published
from r2po.cli.starting import place
from r2po.errors import InputError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--logdir",
        dest="logdirs",
        nargs="+",
        required=True,
        type=place,
        metavar="DIR",
        help="log directory of an experiment, which holds run_1, run_2, ...",
    )
    parser.add_argument(
        "--labels",
        nargs="+",
        metavar="LABEL",
        help="name of each log directory in tables and figures (default: its method and environment)",
    )
    parser.add_argument(
        "--compare-output",
        default="eval_comparison",
        type=place,
        metavar="DIR",
        help="where the comparison of several log directories is written (default: eval_comparison)",
    )
    add_as_published(parser)


def run(options: argparse.Namespace) -> int:
    """Write ``eval_report/`` in each log directory and each run; print the summaries; compare several."""
    labels: list[str | None] = options.labels or [None] * len(options.logdirs)
    if len(labels) != len(options.logdirs):
        raise InputError(f"--labels has {len(labels)} names for {len(options.logdirs)} log directories; give one each")

    double = [label for label in labels if label is not None and labels.count(label) > 1]
    if double:
        raise InputError(f"--labels has {double[0]!r} more than once; give each log directory a name of its own")

    from r2po.analysis.evaluation.comparison import write_comparison
    from r2po.analysis.evaluation.report import FOLDER, experiments_in, write_report
    from r2po.analysis.logs.fresh import basis_of
    from r2po.analysis.logs.load import load_log_directory
    from r2po.analysis.logs.tally import tally

    # All are read before any is written: a wrong name among them leaves nothing half done.
    experiments = [load_log_directory(path) for path in options.logdirs]
    for logs, label in zip(experiments, labels, strict=True):
        for line in tally([logs]):
            print(f"warning: {logs.path}: {line}", file=sys.stderr)  # noqa: T201 - the command's output
        for problem in logs.problems:
            print(f"warning: {logs.path}: left out: {problem}", file=sys.stderr)  # noqa: T201 - the command's output
        for name, part in experiments_in(logs):
            for warning in filter(None, [basis_of(part.runs, as_published=options.as_published).warning]):
                print(f"warning: {name}: {warning}", file=sys.stderr)  # noqa: T201 - the command's output
        text = write_report(logs, label, as_published=options.as_published)
        sys.stdout.write(f"{text}\nreport: {logs.path / FOLDER}\n")
        if logs is not experiments[-1]:
            sys.stdout.write("\n")
    if len(experiments) > 1:
        parts = [
            (name if len(experiments_in(logs)) > 1 else label or name, part)
            for logs, label in zip(experiments, labels, strict=True)
            for name, part in experiments_in(logs)
        ]
        names = [name for name, _ in parts]
        # Where two are alike, they are told apart by their folders.
        distinct = [f"{name} ({part.path})" if names.count(name) > 1 else name for name, part in parts]
        write_comparison(
            [part for _, part in parts], distinct, Path(options.compare_output), as_published=options.as_published
        )
        sys.stdout.write(f"comparison: {options.compare_output}\n")
    return 0
