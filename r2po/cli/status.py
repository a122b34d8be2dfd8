"""``r2po status``: where the runs of a sweep stand, read from its logs."""

from __future__ import annotations

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("logs", metavar="LOGS", help="folder of logs with sweeps, or the folder of one sweep")
    parser.add_argument("--all", action="store_true", help="also list the runs that are complete or wait")


def run(options: argparse.Namespace) -> int:
    """Print the state of each sweep."""
    from pathlib import Path

    from r2po.sweep.manifest import find
    from r2po.sweep.status import print_status

    for manifest in find(Path(options.logs)):
        print_status(manifest, everything=options.all)
    return 0
