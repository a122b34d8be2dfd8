"""What the commands that make runs share: options, and what they say when they are stopped."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from r2po.terminal import OutputLost

LARGEST_PORT = 65_535
UNITS_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def add_override_option(parser: argparse.ArgumentParser, metavar: str, text: str) -> None:
    """Declare ``--set``, which overrides keys of the config."""
    parser.add_argument("--set", dest="overrides", action="extend", nargs="+", default=[], metavar=metavar, help=text)


def place(text: str) -> str:
    """Read a path from an option: ``~`` may be left to us, as in ``--logs=~/runs``."""
    from r2po.errors import InputError
    from r2po.places import expanded

    try:
        return expanded(text, "the path", variables=False)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def count(text: str, least: int = 1) -> int:
    """Read a whole number from an option, as a config would."""
    from r2po.reading import WHOLE_NUMBER

    try:
        number = int(text) if WHOLE_NUMBER.fullmatch(text) else least - 1
    except ValueError:  # more digits than Python reads
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return number


def port(text: str) -> int:
    """Read a port from an option; 0 stands for a free one."""
    number = count(text, least=0)
    if number > LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; expected 0 to {LARGEST_PORT}")
    return number


def duration(text: str) -> float:
    """Read a duration from an option, in seconds: a number with s, min, h or d; or 0."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(s|min|h|d)", text.strip())
    if match is None and text.strip() != "0":
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: expected one like 30s, 10min, 24h or 2d, or 0")
    seconds = 0.0 if match is None else float(match[1]) * UNITS_S[match[2]]
    if math.isinf(seconds):
        raise argparse.ArgumentTypeError(f"{text[:20]!r}... is too long a duration")
    return seconds


def in_option(duration_s: float) -> str:
    """Return a duration as ``duration`` reads it: the same number, and without an exponent."""
    return f"{Decimal(repr(duration_s)).normalize():f}s" if duration_s else "0"


def folder_name(text: str) -> str:
    """Read the name of a folder from an option."""
    if not re.fullmatch(r"[A-Za-z0-9_.+=-]+", text) or not text.strip("."):
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder name: expected letters, digits and any of _.+=-")
    return text


def amount(text: str) -> float:
    """Read a number above 0 from an option."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


@contextmanager
def told_how_to_continue(how: Callable[[], str]) -> Iterator[None]:
    """Say how to continue if a signal ends the block, or if its output is gone; other errors print their own line."""
    try:
        yield
    except BrokenPipeError:
        raise OutputLost(f"stopped, since nobody reads the output any more{how()}") from None
    except OutputLost as lost:
        raise OutputLost(f"{lost}{how()}") from None
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
