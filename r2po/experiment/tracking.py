"""A run that trackers follow: they hear of it after whoever watches it, and after the log is synced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from r2po.experiment.observer import Observer, Several
from r2po.experiment.setting import Setting
from r2po.llm.client import Client
from r2po.runlog import RunDirectory
from r2po.runlog.records import IterationRecord, Result
from r2po.trackers import check_trackers
from r2po.trackers.following import Following


def tracked(observer: Observer, names: Sequence[str], environ: Mapping[str, str]) -> Observer:
    """Return an observer that tells the given one, and lets the trackers of these names follow the run.

    Args:
        observer: Whoever watches the run; gets a note for each tracker that stops.
        names: Names of trackers; without any, the observer itself is returned.
        environ: The variables whose keys are blanked in what is sent.

    Raises:
        InputError: There is no tracker of a name, or it is not installed.
    """
    trackers = check_trackers(names)
    return Several(observer, _Trackers(Following(trackers, environ, observer.note))) if trackers else observer


class _Trackers(Observer):
    """Tells the trackers that there is news in the log."""

    def __init__(self, following: Following) -> None:
        self._following = following

    def started(
        self,
        setting: Setting,  # noqa: ARG002 - run.yaml says it
        directory: RunDirectory,
        client: Client,  # noqa: ARG002 - the log of the calls says it
        recorded: Sequence[IterationRecord],  # noqa: ARG002 - and the log of the iterations
    ) -> None:
        """There is a description by now, and perhaps a log."""
        self._following.begin(directory.path)

    def iterated(self, record: IterationRecord) -> None:  # noqa: ARG002 - it is in the log
        """There is another line in the log."""
        self._following.look()

    def finished(self, directory: RunDirectory, result: Result) -> None:  # noqa: ARG002 - it is in result.json
        """All is there; the trackers may lack something even of a run that was complete before."""
        self._following.begin(directory.path)
        self._following.finish(complete=True)

    def close(self) -> None:
        """If the run was stopped, send what the log holds."""
        self._following.finish(complete=False)
