"""``r2po export``: write the best policy of a run into a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.starting import place


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_plugin_option(parser)
    parser.add_argument(
        "run_directory", type=place, metavar="RUN", help="run directory, e.g. logs/cartpole_props/run_1"
    )
    parser.add_argument(
        "--output", type=place, metavar="FILE", required=True, help="file to write: JSON for numbers, .py for code"
    )


def run(options: argparse.Namespace) -> int:
    """Write the file."""
    from r2po.commands.export import export

    print(export(options.run_directory, Path(options.output)))  # noqa: T201
    return 0
