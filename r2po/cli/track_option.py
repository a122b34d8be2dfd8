"""``--track``: the option of all commands that make runs."""

from __future__ import annotations

import argparse


def add_track_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--track``."""
    parser.add_argument(
        "--track",
        nargs="+",
        metavar="TRACKER",
        help="follow runs in tensorboard, wandb or mlflow, or in a tracker of a plugin (default: the config's track)",
    )
