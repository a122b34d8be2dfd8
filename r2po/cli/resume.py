"""``r2po resume``: let a sweep go on that was paused."""

from __future__ import annotations

import argparse

from r2po.cli.one_sweep import add_sweep_argument, folder_of


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_sweep_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Let it go on."""
    from r2po.experiment.screen import say
    from r2po.sweep.asking import resume

    say(resume(folder_of(options)))
    return 0
