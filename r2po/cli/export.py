"""``r2po export``: write the best policy of a run into a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.starting import place
from r2po.errors import InputError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_plugin_option(parser)
    parser.add_argument(
        "run_directory", type=place, metavar="RUN", help="run directory, e.g. logs/cartpole_props/run_1"
    )
    parser.add_argument(
        "file",
        nargs="?",
        type=place,
        metavar="FILE",
        help="file to write: .py is Python that needs NumPy only, .json the numbers",
    )
    parser.add_argument("--output", type=place, metavar="FILE", help="the same")


def run(options: argparse.Namespace) -> int:
    """Write the file."""
    given = [file for file in (options.file, options.output) if file is not None]
    if len(given) != 1:
        found = "both FILE and --output" if given else "no FILE"
        raise InputError(f"{found}: name one file to write, e.g. policy.py")

    from r2po.commands.export import export

    print(export(options.run_directory, Path(given[0])))  # noqa: T201
    return 0
