"""One run of a sweep, in whatever process: it asks, tells and reports through a ``Line`` to the coordinator."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import tenacity

from r2po.errors import R2POError
from r2po.experiment.launch import Place, launch
from r2po.experiment.observer import Observer
from r2po.experiment.setting import Setting
from r2po.llm.accounting import amount_of
from r2po.llm.client import Client
from r2po.llm.ledger import Amount
from r2po.llm.types import AttemptFailed
from r2po.runlog import RunDirectory, RunLockedError
from r2po.runlog.records import IterationRecord, Result
from r2po.sweep.from_logs import from_result, read_progress
from r2po.sweep.gate import SweepCapReached, SweepGate
from r2po.sweep.messages import Ask, Ended, Note, Outcome, Progress, Task, Verdict


class Line(Protocol):
    """The connection of a run to the coordinator."""

    def ask(self, ask: Ask) -> Verdict:
        """Wait for permission to make an attempt."""

    def tell(self, message: Outcome | Progress | Note) -> None:
        """Say something that wants no answer."""


def make_run(task: Task, environ: Mapping[str, str], line: Line, lock_wait_s: float = 0.0) -> Ended:
    """Run an experiment to its end, or find out why it cannot.

    Args:
        task: The run.
        environ: Environment variables with keys and base URLs.
        line: To the coordinator.
        lock_wait_s: How long to wait for a process that has the run: one on a lost node may hold it for a while.
    """
    place = Place(
        task.number,
        gate=lambda client, budget: SweepGate(task.run, client, budget, line.ask, line.tell),
    )
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(RunLockedError),
        wait=tenacity.wait_fixed(1.0),
        stop=tenacity.stop_after_delay(lock_wait_s),
        reraise=True,
    )
    try:
        retrying(launch, task.config, None, environ, Reporter(task, line), place=place)
    except SweepCapReached as stop:
        return Ended(task.run, str(stop), capped=True)
    except RunLockedError as error:
        return Ended(task.run, str(error), elsewhere=True)
    except R2POError as error:
        return Ended(task.run, str(error))
    except Exception as error:  # noqa: BLE001 - a fault in one run must not end the others
        return Ended(task.run, _unexpected(error))
    return Ended(task.run)


def _unexpected(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {' '.join(str(error).split())} ({Path(place.filename).name}, line {place.lineno})"


class Reporter(Observer):
    """Reports the progress of one run."""

    def __init__(self, task: Task, line: Line) -> None:
        self._task = task
        self._line = line
        self._client: Client | None = None
        self._used = Amount()
        self._tokens = 0
        self._record: Mapping[str, Any] = {}

    def opened(self, directory: RunDirectory) -> None:
        """The run has begun, or goes on where its log ends."""
        known = read_progress(self._task.run, directory.path, self._task.config.num_iterations or 0)
        self._line.tell(replace(known, state="running", now="warm-up"))

    def started(
        self,
        setting: Setting,  # noqa: ARG002 - the coordinator has the config
        directory: RunDirectory,  # noqa: ARG002 - and the directory
        client: Client,
        recorded: Sequence[IterationRecord],
    ) -> None:
        """Take up the count where the log ends."""
        self._client = client
        self._record = recorded[-1] if recorded else {}
        self._report("warm-up")

    def note(self, text: str) -> None:
        """Pass the note on."""
        self._line.tell(Note(self._task.run, text))

    def asking(self, role: str) -> None:
        """A call is under way."""
        self._report(f"asking ({role})")

    def failed(self, attempt: AttemptFailed, wait_s: float) -> None:
        """An attempt failed."""
        self._report(f"next attempt in {wait_s:.0f} s: {attempt.reason}")

    def iterated(self, record: IterationRecord) -> None:
        """Count the iteration."""
        self._record = record
        self._report("rollouts")

    def finished(self, directory: RunDirectory, result: Result) -> None:
        """The run is complete, perhaps since long."""
        self._line.tell(from_result(self._task.run, directory, result))

    def _report(self, now: str) -> None:
        self._count()
        record, config = self._record, self._task.config
        self._line.tell(
            Progress(
                self._task.run,
                state="running",
                now=now,
                iterations=record.get("iteration", 0),
                planned=config.num_iterations or 0,
                best=record.get("best_reward"),
                calls=self._used.calls,
                episodes=record.get("episodes", 0),
                tokens=self._tokens,
                cost=None if config.missing_prices else self._used.cost,
            )
        )

    def _count(self) -> None:
        """Take up the replies since the last report: a long run has too many to add them all up each time."""
        if self._client is None:
            return
        for recorded in self._client.store.replies[self._used.calls :]:
            usage, prices = recorded.reply.usage, self._client.model_of(recorded.role).prices
            self._used += amount_of(usage, prices)
            self._tokens += (usage.prompt_tokens or 0) + (usage.completion_tokens or 0)
