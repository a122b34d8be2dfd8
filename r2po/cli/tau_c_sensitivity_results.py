"""``tau_c_sensitivity_results.py``: the table of R2PO's sensitivity to tau_c."""

from __future__ import annotations

import argparse
from pathlib import Path

from r2po.cli.analysis_options import add_logs_options, add_output_options, add_reference_options, show, warn
from r2po.errors import InputError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_logs_options(parser)
    add_output_options(parser, "tau_c_sensitivity")
    add_reference_options(parser, "published figures, with z,", alone="the table")


def run(options: argparse.Namespace) -> int:
    """Write the table in each format."""
    from r2po.analysis.logs.experiments import find_experiments
    from r2po.analysis.output.writing import write_table
    from r2po.analysis.paper.tau_c import build_published_tau_c_table, build_tau_c_table

    if options.from_published:
        table = build_published_tau_c_table()
    else:
        found = find_experiments(options.logs_root, options.max_runs, parallel=True)
        experiments = [each for each in found if each.facts["revision_rule"] or not each.method]
        if not any(each.runs for each in experiments):
            reasons = [f"{each.path}: {problem}" for each in experiments for problem in each.problems]
            more = f" ({reasons[0]}{f', and {len(reasons) - 1} more' if len(reasons) > 1 else ''})" if reasons else ""
            raise InputError(f"no usable runs under {options.logs_root!r}{more}")
        table, lines = build_tau_c_table(experiments, with_reference=options.reference == "published")
        warn(lines)
    show(write_table(table, Path(options.output_dir) / "tau_c_sensitivity", options.formats))
    return 0
