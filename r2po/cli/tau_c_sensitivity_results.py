"""``tau_c_sensitivity_results.py``: the table of R2PO's sensitivity to tau_c."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from r2po.cli.analysis_options import (
    add_as_published,
    add_logs_options,
    add_output_options,
    add_reference_options,
    show,
    warn,
)
from r2po.errors import InputError

if TYPE_CHECKING:
    from r2po.analysis.logs.experiments import ExperimentLogs


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_logs_options(parser)
    add_output_options(parser, "tau_c_sensitivity")
    add_reference_options(parser, "published figures, and a test of the difference,", alone="the table")
    parser.add_argument("--envs", nargs="+", default=(), metavar="ENV", help="environments (default: all)")
    parser.add_argument(
        "--reanalyze", action="store_true", help="first write eval_report/ anew in each log directory that is read"
    )
    add_as_published(parser)


def run(options: argparse.Namespace) -> int:
    """Write the table in each format."""
    from r2po.analysis.logs.experiments import find_experiments
    from r2po.analysis.logs.names import parse_environment
    from r2po.analysis.logs.tally import tally
    from r2po.analysis.output.writing import write_table
    from r2po.analysis.paper.tau_c import build_published_tau_c_table, build_tau_c_table

    if options.from_published:
        if options.reanalyze or options.envs:
            raise InputError("--from-published reads no logs: leave out --reanalyze, --envs")
        table = build_published_tau_c_table()
    else:
        found = find_experiments(options.logs_root, options.max_runs, options.envs, parallel=True)
        only = {parse_environment(name, (each.task for each in found)) for name in options.envs}
        experiments = [each for each in found if each.facts["revision_rule"] or not each.method]
        if not any(each.runs for each in experiments):
            reasons = [f"{each.path}: {problem}" for each in experiments for problem in each.problems]
            more = f" ({reasons[0]}{f', and {len(reasons) - 1} more' if len(reasons) > 1 else ''})" if reasons else ""
            raise InputError(f"no usable runs under {options.logs_root!r}{more}")
        if options.reanalyze:
            _reanalyze(experiments, as_published=options.as_published)
        table, lines = build_tau_c_table(
            experiments,
            with_reference=options.reference == "published",
            as_published=options.as_published,
            environments=only,
        )
        warn([*(f"{options.logs_root}: {line}" for line in tally(experiments)), *lines])
    show(write_table(table, Path(options.output_dir) / "tau_c_sensitivity", options.formats))
    return 0


def _reanalyze(experiments: Sequence[ExperimentLogs], *, as_published: bool) -> None:
    """Write ``eval_report/`` in the log directories of experiments, whole: there may be runs of others in them too."""
    from r2po.analysis.evaluation.report import write_report
    from r2po.analysis.logs.load import load_log_directory

    for path in dict.fromkeys(each.path for each in experiments if each.runs):
        write_report(load_log_directory(path), as_published=as_published)
