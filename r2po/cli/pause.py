"""``r2po pause``: let a sweep under way begin no call."""

from __future__ import annotations

import argparse

from r2po.cli.one_sweep import add_sweep_argument, folder_of


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_sweep_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Let it begin no call until it is resumed."""
    from r2po.experiment.screen import say
    from r2po.sweep.asking import pause

    say(pause(folder_of(options)))
    return 0
