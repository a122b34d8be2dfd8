"""What a run shows: a live view on a terminal, plain lines elsewhere, nothing with ``--quiet``."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from r2po.llm.client import Client
from r2po.llm.types import AttemptFailed
from r2po.observer import Observer
from r2po.prompts.numbers import number
from r2po.runlog import RunDirectory
from r2po.setting import Setting
from r2po.trial import Candidate

ROWS = 12
STAND_IN = "embedded stand-in: no language model answered; these results say nothing about any model"


class Screen(Observer):
    """Remembers what all screens show; prints nothing."""

    def __init__(self) -> None:
        self.run_number: int | None = None
        self._client: Client | None = None
        self.best: dict[str, Any] | None = None
        self._began = time.monotonic()
        self._elapsed_before = 0.0
        self._done_before = 0
        self._done = 0
        self._total = 0

    def started(
        self, setting: Setting, directory: RunDirectory, client: Client, recorded: Sequence[dict[str, Any]]
    ) -> None:
        """Take up the count where the log ends."""
        self.run_number = directory.number
        self._client = client
        self._began = time.monotonic()
        self._elapsed_before = sum(record["times"]["elapsed_s"] for record in recorded)
        self._done = self._done_before = len(recorded)
        self._total = setting.config.num_iterations or 0
        if recorded:
            self.best = max(recorded, key=lambda record: float(record["reward"]))

    def iterated(self, record: dict[str, Any]) -> None:
        """Count the iteration."""
        self._done = record["iteration"]
        if self.best is None or record["reward"] > self.best["reward"]:
            self.best = record

    @property
    def _tokens(self) -> str:
        """Tokens of all replies so far; ``+`` where some replies do not say."""
        assert self._client is not None
        usages = [recorded.reply.usage for recorded in self._client.store.replies]
        counts = [count for usage in usages for count in (usage.prompt_tokens, usage.completion_tokens)]
        known = [count for count in counts if count is not None]
        if not known:
            return "unknown"
        return f"{sum(known):,}" + ("" if len(known) == len(counts) else "+")

    @property
    def elapsed_s(self) -> float:
        """Seconds spent on this run, earlier processes included."""
        return self._elapsed_before + time.monotonic() - self._began

    @property
    def remaining_s(self) -> float | None:
        """Seconds to go if all goes on as in this process; None if it is too early to say."""
        done = self._done - self._done_before
        return (time.monotonic() - self._began) / done * (self._total - self._done) if done else None


class Lines(Screen):
    """One plain line per event, for logs and pipes."""

    def started(
        self, setting: Setting, directory: RunDirectory, client: Client, recorded: Sequence[dict[str, Any]]
    ) -> None:
        """Say what is run and where."""
        super().started(setting, directory, client, recorded)
        for line in _heading(setting, directory, client, len(recorded)):
            _say(line)

    def note(self, text: str) -> None:
        """Print the note."""
        _say(text)

    def failed(self, attempt: AttemptFailed, wait_s: float) -> None:
        """Say what failed and when it is tried again."""
        _say(_failure(attempt, wait_s))

    def iterated(self, record: dict[str, Any]) -> None:
        """Sum the iteration up."""
        super().iterated(record)
        cells = _cells(record, self._tokens)
        rewards = "  ".join(f"{name} {cells[name]}" for name in _stages(record))
        remaining = self.remaining_s
        _say(
            f"iteration {record['iteration']}/{self._total}  {rewards}  kept {cells['kept']}  best {cells['best']}  "
            f"calls {cells['calls']}  tokens {cells['tokens']}  episodes {cells['episodes']}  "
            f"elapsed {_clock(self.elapsed_s)}  left {_clock(remaining)}"
        )

    def finished(self, directory: RunDirectory, result: dict[str, Any]) -> None:
        """Print the summary."""
        for line in summary(directory, result):
            _say(line)


class LiveView(Screen):
    """A table of the latest iterations that renews itself, and a line on what is going on."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(highlight=False)
        self._live: Live | None = None
        self._rows: deque[tuple[str, ...]] = deque(maxlen=ROWS)
        self._columns: tuple[str, ...] = ()
        self._now = "warm-up"

    def started(
        self, setting: Setting, directory: RunDirectory, client: Client, recorded: Sequence[dict[str, Any]]
    ) -> None:
        """Print the heading and start the live part."""
        super().started(setting, directory, client, recorded)
        for line in _heading(setting, directory, client, len(recorded)):
            self._console.print(line)
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=4)
        self._live.start()

    def note(self, text: str) -> None:
        """Print the note above the live part."""
        self._console.print(text)

    def asking(self, role: str) -> None:
        """Show that a call is under way."""
        self._now = f"asking the model ({role})"

    def failed(self, attempt: AttemptFailed, wait_s: float) -> None:
        """Print the failure above the live part."""
        self._console.print(Text(_failure(attempt, wait_s), style="yellow"))

    def evaluated(self, candidate: Candidate) -> None:
        """Show the latest evaluation."""
        self._now = f"{candidate.stage}: {number(candidate.reward)}"

    def iterated(self, record: dict[str, Any]) -> None:
        """Add a row."""
        super().iterated(record)
        cells = _cells(record, self._tokens)
        self._columns = tuple(cells)
        self._rows.append(tuple(cells.values()))

    def finished(self, directory: RunDirectory, result: dict[str, Any]) -> None:
        """Stop the live part and print the summary."""
        self._now = "done"
        self.close()
        for line in summary(directory, result):
            self._console.print(line)

    def close(self) -> None:
        """Stop the live part, leaving its last state on the terminal."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _render(self) -> RenderableType:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for column in self._columns:
            table.add_column(column, justify="left" if column == "kept" else "right", no_wrap=True)
        for row in self._rows:
            table.add_row(*row)
        status = Table.grid(padding=(0, 2, 0, 0))
        best = "-" if self.best is None else number(self.best["reward"])
        status.add_row(
            f"{self._done}/{self._total}",
            ProgressBar(total=max(self._total, 1), completed=self._done, width=24),
            f"best {best}",
            f"elapsed {_clock(self.elapsed_s)}",
            f"left {_clock(self.remaining_s)}",
            self._now,
        )
        return Group(*([table] if self._rows else []), status)


def make_screen(*, quiet: bool) -> Screen:
    """Return the screen that fits the process's output."""
    if quiet:
        return Screen()
    return LiveView() if sys.stdout.isatty() else Lines()


def summary(directory: RunDirectory, result: dict[str, Any]) -> list[str]:
    """Sum a complete run up."""
    heldout = "not measured"
    if result["heldout_reward"] is not None:
        spread = "" if result["heldout_std"] is None else f" ± {number(result['heldout_std'], 4)}"
        heldout = f"{number(result['heldout_reward'])}{spread} over {result['heldout_episodes']} fresh episodes"
    return [
        "",
        f"{result['method']} on {result['environment']}, model {result['model']}, seed {result['seed']}",
        *([STAND_IN] if result["stand_in"] else []),
        f"  best      {number(result['best_reward'])} in iteration {result['best_iteration']}",
        f"  held-out  {heldout}",
        f"  mean      {number(result['mean_reward'])}",
        f"  final     {number(result['final_reward'])}",
        f"  spent     {result['llm_calls']} calls ({result['refused_replies']} unusable replies, "
        f"{result['failed_attempts']} failed attempts), {result['episodes']} episodes, {result['steps']} steps",
        f"  time      {_clock(result['times']['elapsed_s'])}, of which model {_clock(result['times']['llm_s'])}, "
        f"rollouts {_clock(result['times']['rollout_s'])}",
        f"run directory: {directory.path}",
    ]


def _heading(setting: Setting, directory: RunDirectory, client: Client, recorded: int) -> list[str]:
    config = setting.config
    lines = [
        f"{setting.method.label} on {setting.brief.task.label}, model {config.llm_model_name}, "
        f"protocol {config.protocol}, seed {setting.seed}",
        f"run directory: {directory.path}",
    ]
    if client.provider.is_stand_in:
        lines.insert(1, STAND_IN)
    if recorded:
        lines.append(f"resumed after iteration {recorded} of {config.num_iterations}")
    return lines


def _stages(record: dict[str, Any]) -> list[str]:
    return [candidate["stage"] for candidate in record["candidates"]]


def _cells(record: dict[str, Any], tokens: str) -> dict[str, str]:
    candidates = record["candidates"]
    return {
        "iteration": str(record["iteration"]),
        **{candidate["stage"]: number(candidate["reward"]) for candidate in candidates},
        "kept": candidates[record["accepted"]]["stage"],
        "best": number(record["best_reward"]),
        "calls": str(record["llm_calls"]),
        "tokens": tokens,
        "episodes": str(record["episodes"]),
    }


def _failure(attempt: AttemptFailed, wait_s: float) -> str:
    return f"a call failed: {attempt.reason}; next attempt in {wait_s:.1f} s"


def _clock(seconds: float | None) -> str:
    return "?" if seconds is None else str(timedelta(seconds=round(seconds)))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the screen
