"""Options that the analyses share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from r2po.errors import InputError

if TYPE_CHECKING:
    from r2po.analysis.logs.experiments import ExperimentLogs

PRESETS = ("core", "variants", "search")
TABLE_FORMATS = ("md", "csv", "latex", "json", "png", "pdf", "svg")
MOST_LINES = 40


def add_logs_options(parser: argparse.ArgumentParser) -> None:
    """Declare where the logs are and how many runs count."""
    parser.add_argument("--logs-root", default="logs", metavar="DIR", help="folder of log directories (default: logs)")
    parser.add_argument(
        "--max-runs", type=positive, default=10, metavar="N", help="runs of each experiment that count (default: 10)"
    )


def add_only_options(parser: argparse.ArgumentParser) -> None:
    """Declare which environments and methods count."""
    parser.add_argument(
        "--only-env",
        action="append",
        default=[],
        metavar="ENV",
        help="only this environment, by key or label; may be repeated",
    )
    parser.add_argument(
        "--only-method",
        action="append",
        default=[],
        metavar="METHOD",
        help="only this method, by key or label; may be repeated",
    )


def add_table_options(parser: argparse.ArgumentParser, folder: str) -> None:
    """Declare formats and place of tables."""
    _add_output_options(parser, folder, ["md", "csv"], "")


def add_report_options(parser: argparse.ArgumentParser, folder: str) -> None:
    """Declare formats and place of tables, figures and JSON together."""
    _add_output_options(parser, folder, ["md", "csv", "json", "png", "pdf"], "; png, pdf and svg are figures")


def _add_output_options(parser: argparse.ArgumentParser, folder: str, default: list[str], remark: str) -> None:
    parser.add_argument(
        "--formats",
        "--format",
        nargs="+",
        choices=TABLE_FORMATS,
        default=default,
        metavar="FORMAT",
        help=f"of {', '.join(TABLE_FORMATS)}{remark} (default: {' '.join(default)})",
    )
    parser.add_argument(
        "--output-dir", default=folder, metavar="DIR", help=f"where the files are written (default: {folder})"
    )


def require_runs(experiments: Sequence[ExperimentLogs], logs_root: str) -> None:
    """Check that there is anything to analyse.

    Raises:
        InputError: No experiment has a usable run.
    """
    if not any(each.runs for each in experiments):
        reasons = [f"{each.path}: {problem}" for each in experiments for problem in each.problems]
        more = f" ({reasons[0]}{f', and {len(reasons) - 1} more' if len(reasons) > 1 else ''})" if reasons else ""
        raise InputError(f"no usable runs under {logs_root!r}{more}")


def warn(lines: Iterable[str]) -> None:
    """Print warnings; of very many, the first ones and their number."""
    lines = list(lines)
    for line in lines[:MOST_LINES]:
        sys.stderr.write(f"warning: {line}\n")
    if len(lines) > MOST_LINES:
        sys.stderr.write(f"warning: ... and {len(lines) - MOST_LINES} more\n")


def positive(text: str) -> int:
    """Parse a whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return value
