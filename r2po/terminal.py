"""What is printed: control characters of foreign texts are shown, not obeyed; a lost output has an error of its own.

Model replies, server errors and the files of others may hold sequences that move a cursor or hide a line.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from r2po.errors import R2POError

if TYPE_CHECKING:
    from rich.console import Console

TURNS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
"""Characters that turn the direction of writing, so that a line can read otherwise than it is."""

_HALVES = range(0xD800, 0xE000)
"""Halves of surrogate pairs, which no encoding can write."""

_SHOWN = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"},
    **{code: f"\\u{code:04x}" for code in (*TURNS, *_HALVES)},
}


CONTROL = re.compile("[" + "".join(map(chr, _SHOWN)).replace("\\", "") + "]")
"""A character that is not printed as it is."""


class OutputLost(R2POError):
    """What a command prints can no longer be written. Exit code 1."""


def visible(text: str) -> str:
    """Return a text in which each control character but line ends and tabs is written as its code."""
    return text.translate(_SHOWN)


class _Visible:
    """A stream that shows control characters.

    Raises:
        BrokenPipeError: Nobody reads any more.
        OutputLost: It cannot be written to; an ``OSError`` would pass for one of the files of a run.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with _lost():
            self.stream.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with _lost():
            self.stream.flush()


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputLost(f"cannot write the output: {error.strerror or error}") from None


def terminal() -> TextIO:
    """Return the standard output as it is, for what draws with control characters of its own."""
    return sys.stdout.stream if isinstance(sys.stdout, _Visible) else sys.stdout


def console(**settings: Any) -> Console:
    """Return a console of rich that shows control characters of texts, and writes its own to the standard output."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class VisibleConsole(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else segment._replace(text=visible(segment.text))

    return VisibleConsole(file=terminal(), highlight=False, markup=False, **settings)


@contextmanager
def visible_output(*, exact: bool = False) -> Iterator[None]:
    """Show control characters in all that is printed; ``exact``: only on a terminal."""
    out, errors = sys.stdout, sys.stderr
    if not exact or out.isatty():
        sys.stdout = cast("TextIO", _Visible(out))
    sys.stderr = cast("TextIO", _Visible(errors))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, errors


def open_streams() -> None:
    """Give the process an output where it was started without one, as some services do: what is printed is gone."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        # Files that are opened later must not get the numbers of the standard streams.
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for good
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for good
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal's encoding lacks must not end a run.
            stream.reconfigure(errors="backslashreplace")


def give_up_output() -> None:
    """Let what is still to be written go nowhere: Python would complain of it when the process ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
