"""``r2po report``: runs as a page for a browser."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.run_options import add_motion, add_paths
from r2po.cli.starting import place


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_plugin_option(parser)
    add_paths(parser)
    parser.add_argument(
        "--output", default="report.html", type=place, metavar="FILE", help="page to write (default: report.html)"
    )
    add_motion(parser, "rolling out again and --frames may take, for each run")
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
