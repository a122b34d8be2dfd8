"""Who watches a run that a program started: the program's own observer, the screen, and what the result keeps."""

from __future__ import annotations

from r2po.experiment.observer import Observer, Several
from r2po.runlog import RunDirectory
from r2po.runlog.records import Result


class Watching(Several):
    """Tells each of several observers, and keeps the notes and the run directory.

    Args:
        observers: They, in the order in which they are told.
    """

    def __init__(self, *observers: Observer) -> None:
        super().__init__(*observers)
        self.notes: list[str] = []
        self.directory: RunDirectory | None = None

    def opened(self, directory: RunDirectory) -> None:
        """Keep it."""
        self.directory = directory
        super().opened(directory)

    def note(self, text: str) -> None:
        """Keep it."""
        self.notes.append(text)
        super().note(text)

    def finished(self, directory: RunDirectory, result: Result) -> None:
        """Keep the directory: a complete run was not opened."""
        self.directory = directory
        super().finished(directory, result)
