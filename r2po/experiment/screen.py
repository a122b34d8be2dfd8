"""What all screens of a run have in common, and the plain one: a line for each event, for logs and pipes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from r2po.analysis.logs.revisions import is_unchanged
from r2po.experiment.loading import best_of
from r2po.experiment.observer import Observer
from r2po.experiment.recorded import moved_parameters
from r2po.experiment.setting import Setting
from r2po.experiment.summary import clock, heading, money, summary
from r2po.llm.client import Client
from r2po.llm.types import AttemptFailed
from r2po.prompts.numbers import number
from r2po.runlog import RunDirectory
from r2po.runlog.facts import Pair
from r2po.runlog.records import IterationRecord, Result

TELL_EVERY_S = 10.0
"""How often plain lines say how far a re-evaluation is."""


class Screen(Observer):
    """Finds the words for what happens; prints nothing, which is what ``--quiet`` wants."""

    def __init__(self) -> None:
        self.run_number: int | None = None
        self.best: IterationRecord | None = None
        self._pair: Pair | None = None

    def say(self, line: str) -> None:
        """Print a line."""

    def opened(self, directory: RunDirectory) -> None:
        """Remember which run it is."""
        self.run_number = directory.number

    def started(
        self, setting: Setting, directory: RunDirectory, client: Client, recorded: Sequence[IterationRecord]
    ) -> None:
        """Print the heading, and count on from where the log ends."""
        self._client = client
        self._asks_model = setting.method.asks_model
        self._pair = setting.method.pair
        self._began = time.monotonic()
        self._elapsed_before = sum(record["times"]["elapsed_s"] or 0 for record in recorded)
        self._done = self._done_before = len(recorded)
        self._total = setting.expected_iterations
        self._by_success = setting.method.keeps_by == "score"
        self.best = best_of(recorded, by_success=self._by_success)
        for line in heading(setting, directory, client, len(recorded)):
            self.say(line)

    def note(self, text: str) -> None:
        """Print the note."""
        self.say(text)

    def failed(self, attempt: AttemptFailed, wait_s: float) -> None:
        """Say what failed and when it is tried again."""
        self.say(failure(attempt, wait_s))

    def iterated(self, record: IterationRecord) -> None:
        """Count the iteration."""
        self._done = record["iteration"]
        for candidate in record["candidates"]:
            if moved := moved_parameters(candidate):
                self.say(f"iteration {record['iteration']}: {candidate['stage']} moved to its bounds: {moved}")
        before = [] if self.best is None else [self.best]
        self.best = best_of([*before, record], by_success=self._by_success)

    def finished(self, directory: RunDirectory, result: Result) -> None:
        """Print the summary."""
        for line in summary(directory, result, self._pair):
            self.say(line)

    def _cells(
        self, record: IterationRecord, write: Callable[[float], str], write_count: Callable[[int], str]
    ) -> dict[str, str]:
        """Return what is shown of an iteration, given how to write rewards and tokens."""
        candidates = record["candidates"]
        return {
            "iteration": str(record["iteration"]),
            **{each["stage"]: "failed" if "failure" in each else write(each["reward"]) for each in candidates},
            "kept": "none" if record["accepted"] is None else candidates[record["accepted"]]["stage"],
            "best": "-" if record["best_reward"] is None else write(record["best_reward"]),
            "calls": str(record["llm_calls"]),
            "tokens": self._tokens(write_count),
            "episodes": str(record["episodes"]),
        }

    def _equal(self, record: IterationRecord) -> dict[str, str]:
        """Return what is said of a revision that is the proposal once more, by its stage; nothing of any other."""
        pair = self._pair
        return {pair["revision"]: f"= {pair['proposal']}"} if pair and is_unchanged(record, pair) else {}

    def _tokens(self, write: Callable[[int], str]) -> str:
        """Tokens of all replies so far; ``+`` where some replies do not say."""
        usages = [recorded.reply.usage for recorded in self._client.store.replies]
        counts = [count for usage in usages for count in (usage.prompt_tokens, usage.completion_tokens)]
        known = [count for count in counts if count is not None]
        if not known:
            return "unknown"
        return write(sum(known)) + ("" if len(known) == len(counts) else "+")

    @property
    def _cost(self) -> list[str]:
        """Money spent so far; nothing if there are no prices."""
        priced = any(model.prices for model in self._client.models.values())
        return [f"cost {money(self._client.accounting.total.cost)}"] if priced else []

    @property
    def _times(self) -> list[str]:
        """Time spent, earlier processes included, and time left if all continues as in this process."""
        now, done = time.monotonic() - self._began, self._done - self._done_before
        left = now / done * max(self._total - self._done, 0) if done else None  # else it is too early to say
        return [f"elapsed {clock(self._elapsed_before + now)}", f"left {clock(left)}"]


class Lines(Screen):
    """Plain lines."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at: float | None = None

    def say(self, line: str) -> None:
        """Print a line."""
        say(line)

    def iterated(self, record: IterationRecord) -> None:
        """Sum the iteration up."""
        super().iterated(record)
        cells = self._cells(record, number, "{:,}".format)
        cells |= {stage: f"{text} ({cells[stage]})" for stage, text in self._equal(record).items()}
        stages = [candidate["stage"] for candidate in record["candidates"]]
        model = [f"calls {cells['calls']}", f"tokens {cells['tokens']}", *self._cost] if self._asks_model else []
        parts = [
            f"iteration {record['iteration']}/{self._total}",
            *(f"{name} {cells[name]}" for name in (*stages, "kept", "best")),
            *model,
            f"episodes {cells['episodes']}",
            *self._times,
        ]
        self.say("  ".join(parts))

    def reevaluating(self, done: int, total: int) -> None:
        """Say that accepted candidates are re-evaluated, and from time to time how far that is."""
        if self._told_at is None or time.monotonic() - self._told_at >= TELL_EVERY_S:
            self._told_at = time.monotonic()
            self.say(reevaluation(done, total))


def reevaluation(done: int, total: int) -> str:
    """Say how far the re-evaluation of accepted candidates is."""
    return f"re-evaluating accepted candidates: {done} of {total} done"


def failure(attempt: AttemptFailed, wait_s: float) -> str:
    """Say what failed and when it is tried again."""
    return f"a call failed: {attempt.reason}; next attempt in {wait_s:.1f} s"


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)  # noqa: T201 - the screen
