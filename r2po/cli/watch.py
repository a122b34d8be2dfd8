"""``r2po watch``: see the best policy of a run."""

from __future__ import annotations

import argparse
import sys

from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.starting import place


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_plugin_option(parser)
    parser.add_argument(
        "run_directory", type=place, metavar="RUN", help="run directory, e.g. logs/cartpole_props/run_1"
    )
    parser.add_argument(
        "--output", type=place, metavar="FILE", help="record an animation (.gif or .webp) instead of opening a window"
    )
    parser.add_argument(
        "--episode", type=int, default=0, metavar="K", help="which held-out episode to play, from 0 (default: 0)"
    )


def run(options: argparse.Namespace) -> int:
    """Play the episode."""
    from r2po.commands.watch import watch
    from r2po.runlog import open_run

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - not the answer, which is a line of its own

    print(watch(open_run(options.run_directory), options.episode, options.output, tell))  # noqa: T201
    return 0
