"""Options of commands that read runs which are there: which ones, and how much of their rollouts is shown."""

from __future__ import annotations

import argparse

from r2po.cli.starting import place


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Declare ``RUN|LOGDIR...``: some runs."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=place,
        metavar="RUN|LOGDIR",
        help="run directories, e.g. logs/cartpole_r2po/run_1; a log directory stands for all of its runs",
    )


def add_motion(parser: argparse.ArgumentParser, budget: str) -> None:
    """Declare ``--motion`` and ``--motion-s``; ``budget`` says what the seconds are for."""
    parser.add_argument(
        "--motion",
        choices=("shown", "all", "none"),
        default="all",
        help="rollouts to play: one of each candidate, rolled out again where the log kept none; those that prompts "
        "showed; or none (default: all)",
    )
    parser.add_argument(
        "--motion-s",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help=f"how much processor time {budget} (default: 60)",
    )


def seconds(text: str) -> float:
    """Read a number of seconds from an option."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value
