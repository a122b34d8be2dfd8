"""What a sweep shows: a live table on a terminal, few plain lines elsewhere, nothing with ``--quiet``."""

from __future__ import annotations

import sys
import time

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from r2po.experiment.screen import say
from r2po.experiment.summary import clock
from r2po.prompts.numbers import number
from r2po.sweep.board import STUCK, Board, Speed, Total
from r2po.sweep.messages import Progress
from r2po.terminal import console

EVERY_S = 60.0
"""Pause between lines on all runs, where there is no terminal."""
OTHER_LINES = 5


class SweepScreen:
    """Shows nothing: the base of the screens of a sweep."""

    def note(self, text: str) -> None:
        """Something worth one line happened."""

    def ended(self, run: int) -> None:
        """A run is complete or failed."""

    def tick(self) -> None:
        """Some time has passed."""

    def close(self) -> None:
        """The sweep is over, complete or not."""


class SweepLines(SweepScreen):
    """A line for each run that ends, and one on all of them now and then."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._said_at = time.monotonic()
        board.speed(self._said_at)

    def note(self, text: str) -> None:
        """Print the note."""
        say(text)

    def ended(self, run: int) -> None:
        """Print how it ended."""
        progress = self._board.runs[run]
        total = self._board.total
        best = "" if progress.best is None else f"  best {number(progress.best)}"
        reason = f": {progress.now}" if progress.now else ""
        say(f"{total.done}/{total.runs}  {self._board.names[run]}  {progress.state}{reason}{best}")

    def tick(self) -> None:
        """Print the sums if it is time."""
        now = time.monotonic()
        if now - self._said_at >= EVERY_S:
            self._said_at = now
            say(headline(self._board, self._board.speed(now)))

    def close(self) -> None:
        """Print the sums."""
        say(headline(self._board, self._board.speed(time.monotonic())))


class SweepTable(SweepScreen):
    """A line for each running experiment and one for all, renewed twice a second."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._console = console(soft_wrap=True)
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=2)
        self._live.start()

    def note(self, text: str) -> None:
        """Print the note above the table."""
        self._console.print(text)

    def ended(self, run: int) -> None:
        """Print failures above the table; the rest shows in it."""
        progress = self._board.runs[run]
        if progress.state in STUCK:
            text = f"{self._board.names[run]} {progress.state}: {progress.now}"
            self._console.print(Text(text, style="yellow"))

    def close(self) -> None:
        """Leave the last state on the terminal."""
        self._live.stop()

    def _render(self) -> RenderableType:
        speed = self._board.speed(time.monotonic())
        rows = max(self._console.height - OTHER_LINES, 1)
        lines = [counts(self._board.total), rates(self._board, speed)]
        below = Text("\n".join(lines), no_wrap=True, overflow="ellipsis", style="bold")
        return Group(table(self._board, ("running",), rows), below)


def make_screen(board: Board, *, quiet: bool) -> SweepScreen:
    """Return the screen that fits the process's output."""
    if quiet:
        return SweepScreen()
    return SweepTable(board) if sys.stdout.isatty() else SweepLines(board)


def table(board: Board, states: tuple[str, ...], most: int) -> Table:
    """Return a line for each run in some states, and one that counts those that did not fit."""
    shown = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    shown.add_column("run", no_wrap=True)
    for column in ("iterations", "best", "calls"):
        shown.add_column(column, justify="right", no_wrap=True)
    shown.add_column("now", no_wrap=True, overflow="ellipsis", ratio=1)
    runs = [run for run in board.runs if run.state in states]
    for run in runs[:most]:
        shown.add_row(board.names[run.run], *cells(run))
    if len(runs) > most:
        shown.add_row(f"and {len(runs) - most} more")
    return shown


def cells(run: Progress) -> tuple[str, str, str, str]:
    """Return iterations, best reward, calls and what it does now."""
    best = "-" if run.best is None else number(run.best)
    now = run.now if run.state == "running" else f"{run.state}: {run.now}" if run.now else run.state
    return f"{run.iterations}/{run.planned}", best, str(run.calls), now


def headline(board: Board, speed: Speed | None) -> str:
    """Return one line on all runs."""
    return f"{counts(board.total)}  {rates(board, speed)}".rstrip()


def rates(board: Board, speed: Speed | None) -> str:
    """Return how fast it goes, the pace that a provider's refusals led to, and the time to go; or that it is paused."""
    if board.is_paused:
        return "paused"
    total = board.total
    parts = [] if speed is None else [f"{speed.calls:.1f} calls/s", f"{speed.episodes:.1f} episodes/s"]
    parts += [f"paced {rate:.3g}/s" for rate in board.throttled.values()]
    parts += [f"{name}: no answer since {since}" for name, since in board.outages.items()]
    if total.to_go:  # at first it is too early to say
        parts.append(f"left {clock(total.to_go / speed.iterations if speed and speed.iterations else None)}")
    return "  ".join(parts)


def counts(total: Total) -> str:
    """Return how many runs are in which state, and what they used."""
    states = ", ".join(
        f"{total.states[state]} {state}" for state in ("running", "waiting", *STUCK) if total.states[state]
    )
    # A reply has tokens: none at all means that none was counted.
    tokens = f"{total.tokens:,}" if total.tokens or not total.calls else "unknown"
    money = "" if total.cost is None else f"  cost {total.cost:.6g}"
    return (
        f"{total.done}/{total.runs} runs done{f' ({states})' if states else ''}  calls {total.calls:,}  "
        f"tokens {tokens}{money}  episodes {total.episodes:,}"
    )
