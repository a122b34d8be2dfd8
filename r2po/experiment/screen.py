"""What a run shows: a live view on a terminal, plain lines elsewhere, nothing with ``--quiet``."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from r2po.experiment.observer import Observer
from r2po.experiment.setting import Setting
from r2po.llm.client import Client, described
from r2po.llm.types import AttemptFailed
from r2po.prompts.numbers import number
from r2po.runlog import RunDirectory
from r2po.runlog.facts import NO_MODEL
from r2po.runlog.records import IterationRecord, Result
from r2po.trial import Candidate

ROWS = 12
OTHER_LINES = 4
BAR_WIDTH = 16
NARROW = 76
SPARE = ("calls", "tokens", "episodes")
"""Columns that a narrow terminal does without; it has no progress bar either."""
MODEL_COLUMNS = ("calls", "tokens")
"""Columns that a method that asks no model does without."""
FACT_WIDTH = len("critic's model")
STAND_IN = "embedded stand-in: no language model answered; these results say nothing about any model"


class Screen(Observer):
    """Remembers what all screens show; prints nothing."""

    def __init__(self) -> None:
        self.run_number: int | None = None
        self._client: Client | None = None
        self._asks_model = True
        self.best: IterationRecord | None = None
        self._began = time.monotonic()
        self._elapsed_before = 0.0
        self._done_before = 0
        self._done = 0
        self._total = 0

    def opened(self, directory: RunDirectory) -> None:
        """Remember which run it is."""
        self.run_number = directory.number

    def started(
        self,
        setting: Setting,
        directory: RunDirectory,  # noqa: ARG002 - its subclasses say where it is
        client: Client,
        recorded: Sequence[IterationRecord],
    ) -> None:
        """Take up the count where the log ends."""
        self._client = client
        self._asks_model = setting.method.asks_model
        self._began = time.monotonic()
        self._elapsed_before = sum(record["times"]["elapsed_s"] for record in recorded)
        self._done = self._done_before = len(recorded)
        self._total = setting.config.num_iterations or 0
        if recorded:
            self.best = max(recorded, key=lambda record: float(record["reward"]))

    def iterated(self, record: IterationRecord) -> None:
        """Count the iteration."""
        self._done = record["iteration"]
        if self.best is None or record["reward"] > self.best["reward"]:
            self.best = record

    @property
    def _cost(self) -> str | None:
        """Money spent so far; None if there are no prices."""
        assert self._client is not None
        priced = any(model.prices for model in self._client.models.values())
        return _money(self._client.accounting.total.cost) if priced else None

    def _tokens(self, write: Callable[[int], str]) -> str:
        """Tokens of all replies so far; ``+`` where some replies do not say."""
        assert self._client is not None
        usages = [recorded.reply.usage for recorded in self._client.store.replies]
        counts = [count for usage in usages for count in (usage.prompt_tokens, usage.completion_tokens)]
        known = [count for count in counts if count is not None]
        if not known:
            return "unknown"
        return write(sum(known)) + ("" if len(known) == len(counts) else "+")

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
        self, setting: Setting, directory: RunDirectory, client: Client, recorded: Sequence[IterationRecord]
    ) -> None:
        """Say what is run and where."""
        super().started(setting, directory, client, recorded)
        for line in _heading(setting, directory, client, len(recorded)):
            say(line)

    def note(self, text: str) -> None:
        """Print the note."""
        say(text)

    def failed(self, attempt: AttemptFailed, wait_s: float) -> None:
        """Say what failed and when it is tried again."""
        say(_failure(attempt, wait_s))

    def iterated(self, record: IterationRecord) -> None:
        """Sum the iteration up."""
        super().iterated(record)
        cells = _cells(record, self._tokens("{:,}".format), number)
        rewards = "  ".join(f"{name} {cells[name]}" for name in _stages(record))
        remaining = self.remaining_s
        cost = "" if self._cost is None else f"cost {self._cost}  "
        model = f"calls {cells['calls']}  tokens {cells['tokens']}  {cost}" if self._asks_model else ""
        say(
            f"iteration {record['iteration']}/{self._total}  {rewards}  kept {cells['kept']}  best {cells['best']}  "
            f"{model}episodes {cells['episodes']}  "
            f"elapsed {clock(self.elapsed_s)}  left {clock(remaining)}"
        )

    def finished(self, directory: RunDirectory, result: Result) -> None:
        """Print the summary."""
        for line in summary(directory, result):
            say(line)


class LiveView(Screen):
    """A table of the latest iterations that renews itself, and a line on what is going on."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(highlight=False, markup=False, soft_wrap=True)
        self._live: Live | None = None
        self._rows: deque[dict[str, str]] = deque(maxlen=ROWS)
        self._now = "warm-up"
        self._asked_at: float | None = None

    def started(
        self, setting: Setting, directory: RunDirectory, client: Client, recorded: Sequence[IterationRecord]
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
        self._asked_at = time.monotonic()

    def failed(self, attempt: AttemptFailed, wait_s: float) -> None:
        """Print the failure above the live part."""
        self._console.print(Text(_failure(attempt, wait_s), style="yellow"))

    def evaluated(self, candidate: Candidate) -> None:
        """Show the latest evaluation."""
        self._show(f"{candidate.stage}: {number(candidate.reward)}")

    def iterated(self, record: IterationRecord) -> None:
        """Add a row."""
        super().iterated(record)
        self._rows.append(_cells(record, self._tokens(_short), _fixed))

    def finished(self, directory: RunDirectory, result: Result) -> None:
        """Stop the live part and print the summary."""
        self._show("done")
        self.close()
        for line in summary(directory, result):
            self._console.print(line)

    def close(self) -> None:
        """Stop the live part, leaving its last state on the terminal."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _show(self, now: str) -> None:
        self._now = now
        self._asked_at = None

    @property
    def _is_narrow(self) -> bool:
        return self._console.width < NARROW

    def _render(self) -> RenderableType:
        return Group(*([self._table()] if self._rows else []), self._status(), self._doing())

    def _table(self) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        spare = (*(SPARE if self._is_narrow else ()), *(() if self._asks_model else MODEL_COLUMNS))
        columns = [column for column in self._rows[-1] if column not in spare]
        for column in columns:
            table.add_column(column, justify="left" if column == "kept" else "right", no_wrap=True)
        # What does not fit the terminal could not be renewed.
        fitting = max(self._console.height - OTHER_LINES, 1)
        for row in list(self._rows)[-fitting:]:
            table.add_row(*(row[column] for column in columns))
        return table

    def _status(self) -> Table:
        best = "-" if self.best is None else number(self.best["reward"])
        bar = ProgressBar(total=max(self._total, 1), completed=self._done, width=BAR_WIDTH)
        cells: list[RenderableType] = [
            f"{self._done}/{self._total}",
            *([] if self._is_narrow else [bar]),
            f"best {best}",
            *([] if self._client is None or self._cost is None else [f"cost {self._cost}"]),
            f"elapsed {clock(self.elapsed_s)}",
            f"left {clock(self.remaining_s)}",
        ]
        status = Table.grid(padding=(0, 2, 0, 0))
        for _ in cells:
            status.add_column(no_wrap=True)
        status.add_row(*cells)
        return status

    def _doing(self) -> Text:
        waiting = "" if self._asked_at is None else f", {time.monotonic() - self._asked_at:.0f} s"
        return Text(f"{self._now}{waiting}", no_wrap=True, overflow="ellipsis")


def make_screen(*, quiet: bool) -> Screen:
    """Return the screen that fits the process's output."""
    if quiet:
        return Screen()
    return LiveView() if sys.stdout.isatty() else Lines()


def summary(directory: RunDirectory, result: Result) -> list[str]:
    """Sum a complete run up."""
    heldout = "not measured"
    if result["heldout_reward"] is not None:
        spread = "" if result["heldout_std"] is None else f" ± {number(result['heldout_std'], 4)}"
        heldout = f"{number(result['heldout_reward'])}{spread} over {result['heldout_episodes']} fresh episodes"
    return [
        "",
        f"{result['method']} on {result['environment']}: {result['iterations']} iterations",
        *([STAND_IN] if result["stand_in"] else []),
        *_facts(
            {
                **_models(result),
                "protocol": f"{result['protocol']}, seed {result['seed']}",
                "best": f"{number(result['best_reward'])} in iteration {result['best_iteration']}",
                "held-out": heldout,
                "mean": number(result["mean_reward"]),
                "final": number(result["final_reward"]),
                **(_calls(result) if result["model"] != NO_MODEL else {}),
                "episodes": f"{result['episodes']} ({result['steps']} steps)",
                "time": f"{clock(result['times']['elapsed_s'])}, of which model {clock(result['times']['llm_s'])}, "
                f"rollouts {clock(result['times']['rollout_s'])}",
                "run directory": str(directory.path),
            }
        ),
    ]


def _heading(setting: Setting, directory: RunDirectory, client: Client, recorded: int) -> list[str]:
    config, models = setting.config, described(client.models)
    return [
        f"{setting.method.label} on {setting.brief.task.label}",
        *([STAND_IN] if models["stand_in"] else []),
        *_facts(
            {
                **_models(models),
                "protocol": f"{config.protocol}, seed {setting.seed}",
                "run directory": str(directory.path),
            }
        ),
        *([f"resumed after iteration {recorded} of {config.num_iterations}"] if recorded else []),
    ]


def _models(log: Mapping[str, Any]) -> dict[str, str]:
    """Return lines on the models; logs of earlier versions know of no other critic."""
    names = {"model": log["model"], "critic's model": log.get("critic_model")}
    replay = f" (replay of {log['replay_of']})" if log.get("replay_of") else ""
    return {line: f"{name}{replay}" for line, name in names.items() if name}


def _calls(result: Result) -> dict[str, str]:
    unusable, failed = result["refused_replies"], result["failed_attempts"]
    return {
        "calls": f"{result['llm_calls']} ({unusable} unusable replies, {failed} failed attempts)",
        **_accounts(result),
    }


def _accounts(result: Result) -> dict[str, str]:
    """Return lines on the attempts, the time and the tokens of each role, and on the money."""
    accounts = result.get("accounting", {})  # runs of earlier versions have none
    facts = {}
    for role, counts in accounts.items():
        tokens = result["tokens"][role]
        facts[role] = (
            f"{counts['attempts']} attempts, {counts['failures']} failed; {counts['replies']} replies, "
            f"{counts['refused']} unusable, in {clock(result['times']['latency_s'][role])}"
        )
        facts[f"{role} tokens"] = (
            f"{_count(tokens['prompt_tokens'])} in (cached {_count(tokens['cached_tokens'])}), "
            f"{_count(tokens['completion_tokens'])} out (thinking {_count(tokens['reasoning_tokens'])})"
        )
    if accounts:
        costs = ", ".join(f"{role} {_money(counts['cost'])}" for role, counts in accounts.items())
        facts["cost"] = "unknown" if result["cost"] is None else f"{_money(result['cost'])} ({costs})"
    if result.get("differing_prompts"):
        facts["replay"] = f"{result['differing_prompts']} prompts differ from the recorded ones"
    return facts


def _count(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _money(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount:.6g}"


def _facts(facts: dict[str, str]) -> list[str]:
    return [f"  {name:<{FACT_WIDTH}}  {value}" for name, value in facts.items()]


def _stages(record: IterationRecord) -> list[str]:
    return [candidate["stage"] for candidate in record["candidates"]]


def _cells(record: IterationRecord, tokens: str, write: Callable[[float], str]) -> dict[str, str]:
    candidates = record["candidates"]
    return {
        "iteration": str(record["iteration"]),
        **{candidate["stage"]: write(candidate["reward"]) for candidate in candidates},
        "kept": candidates[record["accepted"]]["stage"],
        "best": write(record["best_reward"]),
        "calls": str(record["llm_calls"]),
        "tokens": tokens,
        "episodes": str(record["episodes"]),
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


def _failure(attempt: AttemptFailed, wait_s: float) -> str:
    return f"a call failed: {attempt.reason}; next attempt in {wait_s:.1f} s"


def clock(seconds: float | None) -> str:
    """Write a duration as hours, minutes and seconds; None is not known."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)  # noqa: T201 - the screen
