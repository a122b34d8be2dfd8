"""Who watches a run that a program started: the program's own observer, the screen, and what the result keeps."""

from __future__ import annotations

from collections.abc import Sequence

from r2po.experiment.observer import Observer
from r2po.experiment.setting import Setting
from r2po.llm.client import Client
from r2po.llm.types import AttemptFailed
from r2po.runlog import RunDirectory
from r2po.runlog.records import IterationRecord, Result
from r2po.trial import Candidate


class Watching(Observer):
    """Tells each of several observers, and keeps the notes and the run directory.

    Args:
        observers: They, in the order in which they are told.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers
        self.notes: list[str] = []
        self.directory: RunDirectory | None = None

    def opened(self, directory: RunDirectory) -> None:
        """Keep it."""
        self.directory = directory
        for each in self._observers:
            each.opened(directory)

    def started(
        self, setting: Setting, directory: RunDirectory, client: Client, recorded: Sequence[IterationRecord]
    ) -> None:
        """Tell them."""
        for each in self._observers:
            each.started(setting, directory, client, recorded)

    def note(self, text: str) -> None:
        """Keep it."""
        self.notes.append(text)
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
        """Keep the directory: a complete run was not opened."""
        self.directory = directory
        for each in self._observers:
            each.finished(directory, result)

    def close(self) -> None:
        """Tell them."""
        for each in self._observers:
            each.close()
