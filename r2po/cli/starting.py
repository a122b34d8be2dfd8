"""What the commands that make runs share: options, and what they say when they are stopped."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def add_override_option(parser: argparse.ArgumentParser, metavar: str, text: str) -> None:
    """Declare ``--set``, which overrides keys of the config."""
    parser.add_argument("--set", dest="overrides", action="extend", nargs="+", default=[], metavar=metavar, help=text)


def count(text: str, least: int = 1) -> int:
    """Read a whole number from an option, as a config would."""
    from r2po.config.reading import WHOLE_NUMBER

    try:
        number = int(text) if WHOLE_NUMBER.fullmatch(text) else least - 1
    except ValueError:  # more digits than Python reads
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return number


@contextmanager
def told_how_to_continue(how: Callable[[], str]) -> Iterator[None]:
    """Print ``stopped`` and how to continue if a signal ends the block; errors print their own line."""
    try:
        yield
    except BaseException as signal:
        if not isinstance(signal, Exception):
            print(f"stopped{how()}", file=sys.stderr)  # noqa: T201 - in the place of an error's line
        raise


def command_of(program: str) -> list[str]:
    """Return how this process was started: the script by its path, or ``r2po`` and the command."""
    started = Path(sys.argv[0]).name
    if started == program:
        return ["python", sys.argv[0]]
    return [*(["python", "-m"] if started == "__main__.py" else []), *program.split()]
