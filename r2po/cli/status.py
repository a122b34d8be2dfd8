"""``r2po status``: where the runs of a sweep stand, read from its logs."""

from __future__ import annotations

import argparse
import sys

from r2po.cli.starting import place
from r2po.errors import InputError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "logs", type=place, metavar="LOGS", help="folder of logs with sweeps, or the folder of one sweep"
    )
    parser.add_argument("--all", action="store_true", help="also list the runs that are complete or waiting")


def run(options: argparse.Namespace) -> int:
    """Print the state of each sweep."""
    from pathlib import Path

    from r2po.sweep.manifest import find
    from r2po.sweep.status import print_status

    manifests, errors = find(Path(options.logs))
    for manifest in manifests:
        try:
            print_status(manifest, everything=options.all)
        except InputError as unread:  # noqa: PERF203 - one broken sweep must not hide the others
            errors.append(unread)
    for error in errors:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the others were shown
    return InputError.exit_code if errors else 0
