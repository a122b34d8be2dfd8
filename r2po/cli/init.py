"""``r2po init``: a folder to work in, with the configs that come with r2po."""

from __future__ import annotations

import argparse
import sys

from r2po.cli.starting import place


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "folder", type=place, metavar="DIR", help="where to put them; made if it is not there. What is in it stays"
    )


def run(options: argparse.Namespace) -> int:
    """Copy what is not there yet, and say what to do next."""
    from pathlib import Path

    from r2po.commands.init import copy_shipped, next_steps

    folder = Path(options.folder)
    copied = copy_shipped(folder)
    sys.stdout.write(f"{copied.told(folder)}\n{next_steps(folder)}")
    return 0
