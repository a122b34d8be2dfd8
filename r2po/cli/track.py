"""``r2po track``: send runs that are logged already to TensorBoard, W&B or MLflow."""

from __future__ import annotations

import argparse
import sys

from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.run_options import add_paths


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_plugin_option(parser)
    add_paths(parser)
    parser.add_argument(
        "--to",
        nargs="+",
        required=True,
        metavar="TRACKER",
        help="where to: tensorboard, wandb, mlflow, or a tracker of a plugin; what it has already is not sent again",
    )


def run(options: argparse.Namespace) -> int:
    """Send the runs."""
    from r2po.commands.track import send_runs
    from r2po.config.environ import read_environ

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - not the answer

    for line in send_runs(options.paths, options.to, read_environ(), tell):
        print(line, flush=True)  # noqa: T201
    return 0
