"""``r2po show``: how the policies of a run came about."""

from __future__ import annotations

import argparse
import os

from r2po.cli.starting import place

WIDE = 1000
"""Columns where nobody looks: what reads a pipe gets whole lines."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run_directory", type=place, metavar="RUN", help="run directory, e.g. logs/cartpole_r2po/run_1")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--iteration",
        type=int,
        metavar="N",
        help="show this iteration in full: policies, tracebacks, episodes, what was noted",
    )
    chosen.add_argument("--best", action="store_true", help="show only iterations that were better than all before")
    parser.add_argument(
        "--diff", action="store_true", help="show how each candidate differs from what it was made from"
    )
    parser.add_argument("--sources", action="store_true", help="show the program or the numbers of each candidate")


def run(options: argparse.Namespace) -> int:
    """Print the tree."""
    from r2po.analysis.lineage.details import Parts
    from r2po.analysis.lineage.show import show
    from r2po.terminal import console as make_console

    console = make_console()
    if not console.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        console.width = WIDE
    show(
        options.run_directory,
        console,
        iteration=options.iteration,
        best=options.best,
        parts=Parts(sources=options.sources, diff=options.diff),
    )
    return 0
