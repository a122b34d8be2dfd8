"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Sequence

from r2po.experiment.setting import Setting
from r2po.llm.client import Client
from r2po.llm.types import AttemptFailed
from r2po.runlog import RunDirectory
from r2po.runlog.records import IterationRecord, Result
from r2po.trial import Candidate


class Observer:
    """Watches a run and sees nothing: the base of the screens."""

    def opened(self, directory: RunDirectory) -> None:
        """The run directory exists: whatever happens from now on, the run can be resumed."""

    def started(
        self, setting: Setting, directory: RunDirectory, client: Client, recorded: Sequence[IterationRecord]
    ) -> None:
        """The run starts with the warm-up, or continues after the recorded iterations."""

    def note(self, text: str) -> None:
        """Something worth one line happened."""

    def asking(self, role: str) -> None:
        """A call to the model is under way."""

    def receiving(self, characters: int) -> None:
        """So many characters have come of the replies under way; only where replies come in pieces."""

    def failed(self, attempt: AttemptFailed, wait_s: float) -> None:
        """An attempt at a call failed and will be repeated after ``wait_s`` seconds."""

    def evaluated(self, candidate: Candidate) -> None:
        """A candidate was rolled out."""

    def iterated(self, record: IterationRecord) -> None:
        """An iteration is complete; ``record`` is its line in the log."""

    def reevaluating(self, done: int, total: int) -> None:
        """Accepted candidates are rolled out on fresh episodes: ``done`` of them have been."""

    def finished(self, directory: RunDirectory, result: Result) -> None:
        """The run is complete; ``result`` is the content of ``result.json``."""

    def close(self) -> None:
        """The run is over, complete or not: leave the terminal as it was."""


class Several(Observer):
    """Tells each of several observers.

    Args:
        observers: They, in the order in which they are told.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def opened(self, directory: RunDirectory) -> None:
        """Tell them."""
        for each in self._observers:
            each.opened(directory)

    def started(
        self, setting: Setting, directory: RunDirectory, client: Client, recorded: Sequence[IterationRecord]
    ) -> None:
        """Tell them."""
        for each in self._observers:
            each.started(setting, directory, client, recorded)

    def note(self, text: str) -> None:
        """Tell them."""
        for each in self._observers:
            each.note(text)

    def asking(self, role: str) -> None:
        """Tell them."""
        for each in self._observers:
            each.asking(role)

    def receiving(self, characters: int) -> None:
        """Tell them."""
        for each in self._observers:
            each.receiving(characters)

    def failed(self, attempt: AttemptFailed, wait_s: float) -> None:
        """Tell them."""
        for each in self._observers:
            each.failed(attempt, wait_s)

    def evaluated(self, candidate: Candidate) -> None:
        """Tell them."""
        for each in self._observers:
            each.evaluated(candidate)

    def iterated(self, record: IterationRecord) -> None:
        """Tell them."""
        for each in self._observers:
            each.iterated(record)

    def reevaluating(self, done: int, total: int) -> None:
        """Tell them."""
        for each in self._observers:
            each.reevaluating(done, total)

    def finished(self, directory: RunDirectory, result: Result) -> None:
        """Tell them."""
        for each in self._observers:
            each.finished(directory, result)

    def close(self) -> None:
        """Tell them."""
        for each in self._observers:
            each.close()
