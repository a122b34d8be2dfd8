"""One run of a sweep, in whatever process: it asks, tells and reports through a ``Channel`` to the coordinator."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from r2po.errors import R2POError
from r2po.experiment.launch import Place, launch
from r2po.experiment.observer import Observer
from r2po.experiment.screen import reevaluation
from r2po.experiment.setting import Setting
from r2po.llm.accounting import amount_of
from r2po.llm.budget import Budget
from r2po.llm.client import Client
from r2po.llm.gate import Gate
from r2po.llm.ledger import Amount
from r2po.llm.types import AttemptFailed
from r2po.runlog import RunDirectory, RunLockedError
from r2po.runlog.records import IterationRecord, Result
from r2po.sweep.batching.line import batch_gate
from r2po.sweep.batching.messages import BatchChannel
from r2po.sweep.from_logs import after, from_result, read_unchecked
from r2po.sweep.gate import SweepCapReached, SweepGate
from r2po.sweep.members.elsewhere import may_pass_elsewhere
from r2po.sweep.messages import Channel, Ended, Note, Progress
from r2po.sweep.plan import PlannedRun
from r2po.sweep.second_chance import may_pass


def make_run(
    run: PlannedRun, environ: Mapping[str, str], channel: Channel, lock_wait_s: float = 0.0, logdir: str = ""
) -> Ended:
    """Run an experiment to its end, or say why that is impossible.

    It waits up to ``lock_wait_s`` for a process that has the run: one on a lost node may hold it for a while. Its
    directory may be in another ``logdir`` than the config says.
    """
    until = time.monotonic() + lock_wait_s
    while (ended := _make_run(run, environ, channel, logdir)).state == "running" and time.monotonic() < until:
        time.sleep(1.0)
    return ended


def _make_run(run: PlannedRun, environ: Mapping[str, str], channel: Channel, logdir: str) -> Ended:
    place = Place(
        run.seed,
        gate=lambda client, budget: _gate(run, client, budget, channel),
        identities=run.identities,
        in_batches=run.in_batches,
        logdir=logdir,
    )
    try:
        launch(
            run.config,
            None,
            environ,
            Reporter(run, channel),
            accept_changed_prompts=run.accept_changed_prompts,
            place=place,
        )
    except SweepCapReached as stop:
        return Ended(run.index, "waiting", str(stop))
    except RunLockedError as error:
        return Ended(run.index, "running", str(error))
    except R2POError as error:
        return Ended(run.index, "failed", str(error), may_pass(error), may_pass_elsewhere(error))
    except Exception as error:  # noqa: BLE001 - a fault in one run must not end the others
        return Ended(run.index, "failed", _unexpected(error))
    return Ended(run.index)


def _gate(run: PlannedRun, client: Client, budget: Budget, channel: Channel) -> Gate:
    if not run.in_batches:
        return SweepGate(run.index, client, budget, channel)
    assert isinstance(channel, BatchChannel)
    return batch_gate(run.index, client, budget, channel)


def _unexpected(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {' '.join(str(error).split())} ({Path(place.filename).name}, line {place.lineno})"


class Reporter(Observer):
    """Reports the progress of one run."""

    def __init__(self, run: PlannedRun, channel: Channel) -> None:
        self._channel = channel
        self._progress = Progress(run.index, state="running", planned=run.config.num_iterations or 0)
        self._is_priced = not run.config.missing_prices
        self._client: Client | None = None
        self._used = Amount()
        self._tokens = 0

    def opened(self, directory: RunDirectory) -> None:
        """The run starts, or resumes where its log ends."""
        known = read_unchecked(self._progress.run, directory.path, self._progress.planned)
        self._channel.tell(replace(known, state="running", now="warm-up"))

    def started(
        self,
        setting: Setting,  # noqa: ARG002 - the coordinator has the config
        directory: RunDirectory,  # noqa: ARG002 - and the directory
        client: Client,
        recorded: Sequence[IterationRecord],
    ) -> None:
        """Count on from where the log ends."""
        self._client = client
        self._progress = after(self._progress, recorded)
        self._report("warm-up")

    def note(self, text: str) -> None:
        """Pass the note on."""
        self._channel.tell(Note(self._progress.run, text))

    def asking(self, role: str) -> None:
        """A call is under way."""
        self._report(f"asking ({role})")

    def failed(self, attempt: AttemptFailed, wait_s: float) -> None:
        """An attempt failed."""
        self._report(f"next attempt in {wait_s:.0f} s: {attempt.reason}")

    def iterated(self, record: IterationRecord) -> None:
        """Count the iteration."""
        self._progress = after(self._progress, [record])
        self._report("rollouts")

    def reevaluating(self, done: int, total: int) -> None:
        """Say how far the re-evaluation is."""
        self._report(reevaluation(done, total))

    def finished(self, directory: RunDirectory, result: Result) -> None:
        """The run is complete, perhaps since an earlier process."""
        self._channel.tell(from_result(self._progress.run, directory, result))

    def _report(self, now: str) -> None:
        self._count()
        cost = self._used.cost if self._is_priced else None
        self._channel.tell(replace(self._progress, now=now, calls=self._used.calls, tokens=self._tokens, cost=cost))

    def _count(self) -> None:
        """Count the replies since the last report: a long run has too many to add them all up each time."""
        if self._client is None:
            return
        for recorded in self._client.store.replies[self._used.calls :]:
            usage = recorded.reply.usage
            self._used += amount_of(usage, self._client.model_of(recorded.role).prices)
            self._tokens += (usage.prompt_tokens or 0) + (usage.completion_tokens or 0)
