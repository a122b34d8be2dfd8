"""What a run is: new, begun, complete or damaged. Sweeps, their status and the analyses all count by this."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

from r2po.errors import InputError
from r2po.runlog.chain import DESCRIPTION
from r2po.runlog.consistency import check_result
from r2po.runlog.directory import RunDirectory
from r2po.runlog.events import read_events
from r2po.runlog.intact import check_end, check_logs, check_prefixes, check_warmup_of
from r2po.runlog.jsonl import DamagedLog
from r2po.runlog.presence import is_there
from r2po.runlog.records import Outcome

Kind = Literal["new", "begun", "complete", "damaged"]

_NOT_WHAT_IS_READ = (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError)
"""What reading raises where a file without checksums holds other values than r2po writes."""


@dataclass(frozen=True)
class Condition:
    """What a run is.

    Attributes:
        kind: ``new`` before anything is logged; ``begun`` if it can be continued, a torn last line or not; ``complete``
            if its result stands and the logs that its figures come from are as they were then; else ``damaged``.
        fault: What is damaged, in one line.
        aside: What must be moved aside, so that the command which made the run makes it whole again: logs that the
            other files of the run bring back, or its whole directory. Empty if that would not help.
    """

    kind: Kind
    fault: str = ""
    aside: tuple[Path, ...] = ()

    @property
    def mends_itself(self) -> bool:
        """Whether only the result is damaged, which a sweep makes anew from the logs."""
        return [path.name for path in self.aside] == ["result.json"]

    @property
    def remedy(self) -> str:
        """The shell command that moves ``aside`` what is damaged; nothing is deleted."""
        return " && ".join(shlex.join(["mv", str(path), str(_free(path))]) for path in self.aside)


def condition_of(directory: RunDirectory) -> Condition:
    """Say what a run is, from its files alone."""
    path = directory.path
    try:
        if not is_there(path):
            return Condition("new")
        if not directory.is_described:
            fault = f"{path} has logs, but no {DESCRIPTION} that says what was run"
            has_logs = directory.has_begun or directory.is_complete
            return Condition("damaged", fault, (path,)) if has_logs else Condition("new")
        directory.read_description()
    except DamagedLog as error:
        return Condition("damaged", str(error), (path,))
    except InputError as error:  # of a newer version, which can read it
        return Condition("damaged", str(error))
    check = _check_complete if directory.is_complete else _check_begun
    fault = _fault(lambda: check(directory), path)
    if not fault:
        return Condition("complete" if directory.is_complete else "begun")
    return Condition("damaged", fault, _aside(directory))


def _check_complete(directory: RunDirectory) -> None:
    """Check a complete run as analyses do, its calls apart: they are only needed to go on."""
    result = directory.read_result()
    sums = result.get("sums", {})
    figures = (directory.warmup, directory.iterations)
    for log in figures:
        check_end(log, result)
    # Bytes that are as they were written need not be parsed: a sweep looks at a thousand runs.
    if not (directory.has_checksums and all(log.name in sums for log in figures)):
        check_result(result, directory.read_iterations_as(Outcome))


def _check_begun(directory: RunDirectory) -> None:
    """Check all that a run needs in order to be continued, whose checksums show every change.

    Of older versions, which wrote none, each log is read alone: their counts are compared when the run is continued.
    """
    if directory.has_checksums:
        check_logs(directory)
    else:
        directory.read_iterations()
        directory.read_warmup()
    directory.read_evaluations()
    _read_calls(directory)


def _read_calls(directory: RunDirectory) -> None:
    for _ in read_events(directory.calls, texts=False):
        pass


def _fault(check: Callable[[], object], path: Path) -> str:
    """Return in one line what a check finds wrong; empty if nothing is."""
    try:
        check()
    except InputError as error:
        return str(error)
    except OSError as error:
        return f"cannot read {error.filename or path}: {error.strerror or error}"
    except _NOT_WHAT_IS_READ:
        return f"damaged log in {path}"
    return ""


def _aside(directory: RunDirectory) -> tuple[Path, ...]:
    """Return what must go for the rest to be continued from: iterations and warm-up are made anew from the calls."""
    path, result = directory.path, directory.path / "result.json"
    iterations, warmup = directory.iterations, directory.warmup
    lost = [iterations] if _fault(directory.read_iterations, path) else []
    records: Sequence[Outcome] = []
    with suppress(InputError, *_NOT_WHAT_IS_READ):
        records = [] if lost else directory.read_iterations_as(Outcome)
    if _fault(lambda: _check_warmup(directory), path):
        lost.append(warmup)
    for log in (directory.calls, directory.evaluations):
        if _fault(lambda log=log: check_prefixes(log, records), path):  # type: ignore[misc]
            return (path,)
    if _fault(lambda: _read_calls(directory), path) or _fault(directory.read_evaluations, path):
        return (path,)
    if is_there(result):
        lost.append(result)
    return tuple(lost) or (path,)


def _check_warmup(directory: RunDirectory) -> None:
    """Check the warm-up alone, and against the iterations where these can be read."""
    trials = len(directory.read_warmup())
    planned = directory.read_description()["config"].get("warmup_episodes")
    try:
        iterations = directory.read_iterations()
    except InputError:
        return
    if not (iterations and isinstance(planned, int) and trials < planned):  # a resumed run makes the others again
        check_warmup_of(directory, iterations)


def _free(path: Path) -> Path:
    """Return a name beside a path that nothing has, and that no reader takes for a run or a log."""
    names = (path.with_name(f"{path.name}.damaged{number if number > 1 else ''}") for number in count(1))
    return next(name for name in names if not is_there(name))
