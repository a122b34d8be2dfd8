"""``r2po report``: runs as a page for a browser."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.starting import place

MOTION = ("shown", "all", "none")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_plugin_option(parser)
    parser.add_argument(
        "paths",
        nargs="+",
        type=place,
        metavar="RUN|LOGDIR",
        help="run directories, e.g. logs/cartpole_r2po/run_1; a log directory stands for all of its runs",
    )
    parser.add_argument(
        "--output", default="report.html", type=place, metavar="FILE", help="page to write (default: report.html)"
    )
    parser.add_argument(
        "--motion",
        choices=MOTION,
        default="all",
        help="rollouts to play: one of each candidate, rolled out again where the log kept none; those that prompts "
        "showed; or none (default: all)",
    )
    parser.add_argument(
        "--motion-s",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="how much processor time rolling out again and --frames may take, for each run (default: 60)",
    )
    parser.add_argument(
        "--frames",
        action="store_true",
        help="let an environment that the page cannot draw be drawn by its own renderer: 10 s of each policy that was "
        "better than all before",
    )
    parser.add_argument(
        "--texts",
        choices=("recent", "all"),
        default="recent",
        help="of a run with very long prompts, leave rollouts out of those before the last 100 iterations, or keep "
        "all (default: recent)",
    )


def seconds(text: str) -> float:
    """Read a number of seconds from an option."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def run(options: argparse.Namespace) -> int:
    """Write the page."""
    from r2po.report.blocks import Wanted
    from r2po.report.report import write_report

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - not the answer, which is a line of its own

    wanted = Wanted(options.motion, options.motion_s, whole_texts=options.texts == "all", films=options.frames)
    for line in write_report(options.paths, Path(options.output), wanted, tell):
        print(line)  # noqa: T201
    return 0
