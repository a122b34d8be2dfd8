"""``r2po set``: change how many runs of a sweep are under way, and its caps, while it is at work."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from r2po.cli.one_sweep import add_sweep_argument, folder_of
from r2po.cli.starting import amount, count
from r2po.errors import InputError

NONE = "none"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_sweep_argument(parser)
    for option, read, metavar, text in (
        ("--jobs", count, "N", "runs under way at once"),
        ("--max-llm-calls", count, "N", "cap on the calls of all runs together"),
        ("--max-tokens", count, "N", "cap on the tokens of all runs together"),
        ("--max-cost", amount, "X", "cap on the money that all runs cost together"),
    ):
        how = f"{text}; {NONE}: as the sweep's own command says"
        parser.add_argument(option, type=_or_none(read), metavar=metavar, help=how)


def run(options: argparse.Namespace) -> int:
    """Set what is given.

    Raises:
        InputError: Nothing is.
    """
    from r2po.experiment.screen import say
    from r2po.sweep.asking import set_limits
    from r2po.sweep.control import LIMITS

    given = {name: value for name in LIMITS if (value := getattr(options, name)) is not None}
    if not given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in LIMITS)
        raise InputError(f"nothing to set: expected one of {names}")
    say(set_limits(folder_of(options), {name: None if value == NONE else value for name, value in given.items()}))
    return 0


def _or_none(read: Callable[[str], float]) -> Callable[[str], float | str]:
    def limit(text: str) -> float | str:
        return NONE if text == NONE else read(text)

    return limit
