"""What the commands share that tell a sweep under way what to do."""

from __future__ import annotations

import argparse
from pathlib import Path

from r2po.cli.starting import place


def add_sweep_argument(parser: argparse.ArgumentParser) -> None:
    """Declare how a sweep is named."""
    parser.add_argument("sweep", metavar="SWEEP", help="the sweep's folder, or its name below the folder of logs")
    parser.add_argument("--logs", type=place, default="logs", metavar="DIR", help="where a name is looked for (logs)")


def folder_of(options: argparse.Namespace) -> Path:
    """Return the folder of the sweep that is meant.

    Raises:
        InputError: There is none, or there are several.
    """
    from r2po.sweep.asking import find_sweep

    return find_sweep(place(options.sweep), Path(options.logs))
