"""``r2po track``: sends runs that are logged already to trackers, or what these lack of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from r2po.errors import InputError, RunStopped
from r2po.runlog import RunDirectory, RunLockedError, list_runs, open_run
from r2po.runlog.condition import condition_of
from r2po.trackers import Tracker, check_trackers
from r2po.trackers.feed import Feed
from r2po.trackers.following import redaction_of


def send_runs(
    paths: Sequence[str], names: Sequence[str], environ: Mapping[str, str], tell: Callable[[str], None]
) -> Iterator[str]:
    """Send each of some runs to each tracker, and yield a line on it; what a tracker has already is not sent again.

    Args:
        paths: Run directories, or log directories for all of their runs.
        names: Names of trackers.
        environ: The variables whose keys are blanked in what is sent.
        tell: Takes a line on each run that cannot be sent.

    Raises:
        InputError: A path has no runs, there is no tracker of a name, or one is not installed.
        RunStopped: Something could not be sent, which was told.
    """
    trackers = check_trackers(names)
    runs = [run for path in paths for run in runs_of(path)]
    sending = _Sending(environ, tell)
    for run in {run.path: run for run in runs}.values():
        for tracker in trackers:
            yield from sending.send(run, tracker)
    if sending.failed:
        these = "1 was" if sending.failed == 1 else f"{sending.failed} were"
        raise RunStopped(f"{these} not sent; the same command sends what is missing")


@dataclass
class _Sending:
    """Sends runs, one after the other; what goes wrong with one is told, and the next is sent."""

    environ: Mapping[str, str]
    tell: Callable[[str], None]
    failed: int = 0

    def send(self, run: RunDirectory, tracker: Tracker) -> Iterator[str]:
        """Send a run and yield a line on it."""
        try:
            yield _send(run, tracker, self.environ)
        except InputError as error:
            self._fail(run, tracker, str(error))
        except Exception as error:  # noqa: BLE001 - a tracker may raise anything
            self._fail(run, tracker, redaction_of(self.environ).message(f"{type(error).__name__}: {error}"))

    def _fail(self, run: RunDirectory, tracker: Tracker, why: str) -> None:
        self.failed += 1
        self.tell(f"{run.path} to {tracker.name}: not sent: {why}")


def runs_of(path: str) -> list[RunDirectory]:
    """Return the run of a path, or the runs below it: of a log directory, or of a suite of baselines.

    Raises:
        InputError: There are none.
    """
    folder = Path(path)
    if (folder / "run.yaml").is_file():
        return [open_run(folder)]
    below = sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
    runs = list_runs(folder) or [run for each in below for run in list_runs(each)]
    if not runs:
        raise InputError(f"no runs in {path!r}: expected a run directory, or a log directory with run_1, run_2, ...")
    return [open_run(run.path) for run in runs]


def _send(run: RunDirectory, tracker: Tracker, environ: Mapping[str, str]) -> str:
    """Send what a tracker lacks of a run, which nobody continues meanwhile; returns a line on it."""
    condition = condition_of(run)
    if condition.kind in ("new", "damaged"):
        raise InputError(condition.fault or "it has not begun")
    with closing(run):
        try:
            run.lock()
        except RunLockedError:
            raise InputError("it is under way: name the tracker in its own command, or wait for its end") from None
        feed = Feed(tracker, run.path, redaction_of(environ))
        feed.load()
        feed.reach()
        feed.describe()
        had_ending = feed.ended
        for send in feed.waiting():
            send()
        feed.close()
    news = [f"{feed.points} iteration{'s' * (feed.points != 1)}"] if feed.points else []
    news += ["its ending"] if feed.ended and not had_ending else []
    rest = "" if feed.ended else "; it is not complete"
    return f"{run.path} to {tracker.name}: {' and '.join(news) or 'nothing new'}{rest}"
