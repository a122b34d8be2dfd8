"""``r2po new-task``: draft the card of an environment."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from r2po.cli.plugin_option import add_plugin_option
from r2po.cli.starting import place


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_plugin_option(parser)
    parser.add_argument(
        "gym_id", metavar="ID", help="id of an environment that is registered with Gymnasium, or module:Id"
    )
    parser.add_argument(
        "--output", type=place, metavar="FILE", help="the card, a new file (default: tasks/<name>.yaml)"
    )
    parser.add_argument(
        "--env-kwargs",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="arguments of the environment, e.g. is_slippery=true; the card records them",
    )


def run(options: argparse.Namespace) -> int:
    """Write the card and say what is known of it. Returns 1 if the environment has a fault that no card mends."""
    from r2po.commands.new_task import new_task
    from r2po.config.load import parse_override

    env_kwargs = dict(parse_override(text, "--env-kwargs") for text in options.env_kwargs)
    written = new_task(options.gym_id, None if options.output is None else Path(options.output), env_kwargs)
    sys.stdout.write("".join(f"{line}\n" for line in written.lines))
    return 1 if written.has_faults else 0
