"""What a run shows on a terminal: a table of the latest iterations that renews itself, and what is going on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from r2po.experiment.screen import Screen, failure, reevaluation
from r2po.experiment.setting import Setting
from r2po.llm.client import Client
from r2po.llm.types import AttemptFailed
from r2po.prompts.numbers import number
from r2po.runlog import RunDirectory
from r2po.runlog.records import IterationRecord, Result
from r2po.terminal import console
from r2po.trial import Candidate

ROWS = 12
OTHER_LINES = 4
BAR_WIDTH = 16
NARROW = 76
RATE_AFTER_S = 1.0
"""How long replies have been arriving before it is told how fast."""
SPARE = ("calls", "tokens", "episodes")
"""Columns that a narrow terminal does without; it has no progress bar either."""
MODEL_COLUMNS = ("calls", "tokens")
"""Columns that a method that asks no model does without."""


class Arriving:
    """Replies that are arriving, and how fast.

    Fewer characters than before mean that a reply has ended or that an attempt has begun anew. What comes after that is
    measured anew, since the characters before it were others.

    Args:
        characters: Those that came at once.
        since: When, in seconds.
    """

    def __init__(self, characters: int, since: float) -> None:
        self._first, self._since = characters, since
        self._characters, self._latest = characters, since

    def take(self, characters: int, now: float) -> None:
        """Take the characters that have come by now."""
        if characters < self._characters:
            self._first, self._since = characters, now
        self._characters, self._latest = characters, now

    def __str__(self) -> str:
        seconds = self._latest - self._since
        came = f"{_short(self._characters)} characters"
        if seconds < RATE_AFTER_S:
            return came
        return f"{came}, {_short(round((self._characters - self._first) / seconds))}/s"


class LiveView(Screen):
    """Lines, and below them the live part: a table of iterations, a line of counts, and one on what is going on."""

    def __init__(self) -> None:
        super().__init__()
        self._console = console(soft_wrap=True)
        self._live: Live | None = None
        self._rows: deque[dict[str, str]] = deque(maxlen=ROWS)
        self._now = "warm-up"
        self._asked_at: float | None = None
        self._arriving: Arriving | None = None

    def say(self, line: str) -> None:
        """Print a line above the live part."""
        self._console.print(line)

    def failed(self, attempt: AttemptFailed, wait_s: float) -> None:
        """Print the failure above the live part, in yellow."""
        self._console.print(Text(failure(attempt, wait_s), style="yellow"))
        self._arriving = None

    def started(
        self, setting: Setting, directory: RunDirectory, client: Client, recorded: Sequence[IterationRecord]
    ) -> None:
        """Print the heading and start the live part."""
        super().started(setting, directory, client, recorded)
        self._in_rounds = setting.method.searches == "programs"
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=4)
        self._live.start()

    def asking(self, role: str) -> None:
        """Show that a call is under way."""
        self._now = f"asking the model ({role})"
        self._asked_at = time.monotonic()
        self._arriving = None

    def receiving(self, characters: int) -> None:
        """Show that replies are arriving."""
        arriving = self._arriving = self._arriving or Arriving(characters, time.monotonic())
        arriving.take(characters, time.monotonic())

    def evaluated(self, candidate: Candidate) -> None:
        """Show the latest evaluation."""
        outcome = candidate.failure.line if candidate.failure else number(candidate.reward)
        self._show(f"{candidate.stage}: {outcome}")

    def iterated(self, record: IterationRecord) -> None:
        """Add a row."""
        super().iterated(record)
        cells = self._cells(record, _fixed, _short) | self._equal(record)
        self._rows.append(_of_round(record, cells) if self._in_rounds else cells)

    def reevaluating(self, done: int, total: int) -> None:
        """Show how far the re-evaluation is."""
        self._show(reevaluation(done, total))

    def finished(self, directory: RunDirectory, result: Result) -> None:
        """Stop the live part and print the summary."""
        self._show("done")
        self.close()
        super().finished(directory, result)

    def close(self) -> None:
        """Stop the live part, leaving its last state on the terminal."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _show(self, now: str) -> None:
        self._now = now
        self._asked_at = None
        self._arriving = None

    @property
    def _is_narrow(self) -> bool:
        return self._console.width < NARROW

    def _render(self) -> RenderableType:
        return Group(*([self._table()] if self._rows else []), self._status(), self._doing())

    def _table(self) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        spare = (*(SPARE if self._is_narrow else ()), *(() if self._asks_model else MODEL_COLUMNS))
        columns = [column for column in self._rows[-1] if column not in spare]
        words = "" if self._in_rounds else "kept"
        for column in columns:
            table.add_column(column, justify="left" if column == words else "right", no_wrap=True)
        # What does not fit the terminal could not be renewed.
        fitting = max(self._console.height - OTHER_LINES, 1)
        for row in list(self._rows)[-fitting:]:
            table.add_row(*(row.get(column, "") for column in columns))
        return table

    def _status(self) -> Table:
        best = "-" if self.best is None else number(self.best["reward"] or 0.0)
        bar = ProgressBar(total=max(self._total, 1), completed=self._done, width=BAR_WIDTH)
        cells: list[RenderableType] = [f"{self._done}/{self._total}", *([] if self._is_narrow else [bar])]
        cells += [f"best {best}", *self._cost, *self._times]
        status = Table.grid(padding=(0, 2, 0, 0))
        for _ in cells:
            status.add_column(no_wrap=True)
        status.add_row(*cells)
        return status

    def _doing(self) -> Text:
        now, asked_at, arriving = self._now, self._asked_at, self._arriving  # another thread may change them meanwhile
        waiting = "" if asked_at is None else f", {time.monotonic() - asked_at:.0f} s"
        came = "" if arriving is None else f", {arriving}"
        return Text(f"{now}{waiting}{came}", no_wrap=True, overflow="ellipsis")


def _of_round(record: IterationRecord, cells: Mapping[str, str]) -> dict[str, str]:
    """Return the cells of a round whose candidates are too many for a column each, and differ from round to round."""
    candidates = record["candidates"]
    return {
        "iteration": cells["iteration"],
        "tried": str(len(candidates)),
        "failed": str(sum("failure" in candidate for candidate in candidates)),
        "kept": "none" if record["accepted"] is None else cells[candidates[record["accepted"]]["stage"]],
        **{column: cells[column] for column in ("best", *SPARE)},
    }


def _fixed(value: float) -> str:
    """Write a number for a column, where the decimal points stand below each other."""
    return f"{round(value, 3) + 0.0:.3f}"


def _short(count: int) -> str:
    """Write a count in few characters: 950, 44.1k, 1.2M."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.1f}{unit}"
    return str(count)
