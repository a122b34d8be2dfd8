"""``r2po track``: sends runs that are logged already to trackers, or what these lack of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from r2po.errors import InputError, RunStopped
from r2po.llm.redaction import Redaction
from r2po.runlog import RunDirectory, RunLockedError, list_runs, open_run
from r2po.runlog.condition import condition_of
from r2po.trackers import Tracker, check_trackers
from r2po.trackers.feed import Feed
from r2po.trackers.following import redaction_of
from r2po.trackers.guard import LIMITS, Guarded, Limits

_LOCKED = {
    False: "another process has it: it is under way, or being sent; wait for its end, or name the tracker in the "
    "command that makes it",
    True: "another process has it, perhaps another `r2po track`; wait for its end",
}
"""Why a run cannot be had, by whether it is complete."""


def send_runs(
    paths: Sequence[str],
    names: Sequence[str],
    environ: Mapping[str, str],
    tell: Callable[[str], None],
    limits: Limits = LIMITS,
) -> Iterator[str]:
    """Send each of some runs to each tracker, and yield a line on it; what a tracker has already is not sent again.

    Args:
        paths: Run directories, or log directories for all of their runs.
        names: Names of trackers.
        environ: The variables whose keys are blanked in what is sent.
        tell: Takes a line before a tracker is reached, and on each run that cannot be sent.
        limits: How long a tracker may take. One that cannot be reached, or does not answer, gets no further runs.

    Raises:
        InputError: A path has no runs, there is no tracker of a name, or one is not installed.
        RunStopped: Something could not be sent, which was told.
    """
    trackers = check_trackers(names)
    found = [run for path in paths for run in runs_of(path)]
    runs = [*{run.path: run for run in found}.values()]
    sending = _Sending(redaction_of(environ), tell, limits)
    for tracker in trackers:
        yield from sending.send(runs, tracker)
    if sending.failed:
        these = "1 was" if sending.failed == 1 else f"{sending.failed} were"
        raise RunStopped(f"{these} not sent; the same command sends what is missing")


@dataclass
class _Sending:
    """Sends runs, one after the other; what goes wrong with one is told, and the next is sent."""

    redaction: Redaction
    tell: Callable[[str], None]
    limits: Limits
    failed: int = 0

    def send(self, runs: Sequence[RunDirectory], tracker: Tracker) -> Iterator[str]:
        """Send runs to a tracker and yield a line on each."""
        self.tell(f"sending {len(runs)} run{'s' * (len(runs) != 1)} to {tracker.name}")
        for number, run in enumerate(runs, 1):
            line, is_unavailable = self._send(run, tracker)
            if line:
                yield line
            left = len(runs) - number
            if is_unavailable and left:
                self.failed += left
                self.tell(f"{left} more run{'s' * (left != 1)} not sent to {tracker.name}, for the same reason")
                return

    def _send(self, run: RunDirectory, tracker: Tracker) -> tuple[str, bool]:
        """Return a line on a run that was sent, and whether the tracker would take no other."""
        try:
            guarded = self._fed(run, tracker)
            why, is_unavailable = guarded.problem, guarded.is_unavailable
        except (InputError, OSError) as error:
            why, is_unavailable = str(error), False
        if not why:
            return f"{run.path} to {tracker.name}: {_told(guarded.feed)}", False
        self.failed += 1
        self.tell(f"{run.path} to {tracker.name}: not sent: {why}")
        return "", is_unavailable

    def _fed(self, run: RunDirectory, tracker: Tracker) -> Guarded:
        """Send what a tracker lacks of a run, which nobody continues meanwhile."""
        condition = condition_of(run)
        if condition.kind in ("new", "damaged"):
            raise InputError(condition.fault or "it has not begun")
        with closing(run):
            try:
                run.lock()
            except RunLockedError:
                raise InputError(_LOCKED[condition.kind == "complete"]) from None
            guarded = Guarded(tracker, run.path, self.redaction, self.limits)
            guarded.send_all()
        return guarded


def _told(feed: Feed) -> str:
    news = [f"{feed.points} iteration{'s' * (feed.points != 1)}"] if feed.points else []
    news += ["its ending"] if feed.ended and not feed.had_ending else []
    return (" and ".join(news) or "nothing new") + ("" if feed.ended else "; it is not complete")


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
