"""A run that is looked at again and again, at little cost: only what changed is read, and of logs what was added."""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from r2po.analysis.lineage.reading import Log
from r2po.analysis.logs.load import load_runs_of
from r2po.analysis.logs.run_data import RunData, models_label
from r2po.errors import InputError
from r2po.report.head import UNKNOWN, head_of_log, head_of_run, setting_rows, settings_of
from r2po.report.machine_paths import without_paths
from r2po.report.packing import Values, is_finite
from r2po.runlog import RunDirectory
from r2po.runlog.facts import NO_MODEL
from r2po.runlog.records import Description
from r2po.sweep.status import IDLE_S
from r2po.view.finding import refused_below, refused_beside, regular_files, why_refused
from r2po.view.growing import Growing
from r2po.view.held import Held, held_here, is_held
from r2po.view.summary import State, Summary

DESCRIPTION, ITERATIONS, RESULT, LOCK = "run.yaml", "iterations.jsonl", "result.json", ".lock"
LOGS = (ITERATIONS, "warmup.jsonl", "evaluations.jsonl", "llm_calls.jsonl")
_DIGITS = 16
FOREIGN = ("overall_log.txt", "summary.json")

Files = Mapping[str, os.stat_result]
Stamp = tuple[tuple[str, int, int, int], ...]
_NO_LOCK: Stamp = (("not looked at", 0, 0, 0),)


@dataclass(frozen=True)
class Moment:
    """When a run is looked at, and what is known of all runs then.

    Attributes:
        now: Seconds, by a clock that never goes back.
        wall: Seconds since 1970, as files have them.
        held: Files that are locked on this machine.
        elsewhere: Folders of the runs that a process of a sweep says it makes, on any machine.
    """

    now: float
    wall: float
    held: Held
    elsewhere: frozenset[Path]


class Slice:
    """So long a look reads what takes a while: runs for the first time, and logs of the published code.

    It begins when the first one is read, and that one is read whatever it takes: else a folder that takes long to list
    would leave no time for any.

    Args:
        seconds: How long.
        clock: Returns the seconds by now.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._ends: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be read."""
        return self._ends is not None and self._clock() > self._ends

    def begins(self) -> None:
        """Something is read."""
        if self._ends is None:
            self._ends = self._clock() + self._seconds


class WatchedRun:
    """A run.

    Attributes:
        path: Its folder.
        id: Its name in addresses.
        summary: What the last look gave.
        stamp: Names the state of its files; with other files it is another one.
        is_due: Whether there was no time to read it at the last look.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.id = name
        self.summary = Summary("unread")
        self.stamp: Stamp = ()
        self.is_due = True
        self._growing = Growing(path / ITERATIONS)
        self._description: Description | None = None
        self._problem = ""
        self._described: Stamp = ()
        self._size, self._was_held, self._lock, self._grew = -1, False, _NO_LOCK, -IDLE_S

    def look(self, moment: Moment, time_slice: Slice | None) -> bool:
        """Look at the files; returns whether the summary is another one than before.

        Args:
            moment: When this is.
            time_slice: How long to read what takes a while; None: not now.
        """
        before, no_time = self.summary, time_slice is None or time_slice.is_over
        self.is_due = before.state == "unread" and no_time
        if self.is_due:
            return False
        try:
            files, refused = regular_files(self.path)
            refused += refused_beside(self.path)
            if refused:
                return self._refuse(refused)
            stamp = _stamp(files, (DESCRIPTION, *LOGS, RESULT, *FOREIGN))
            state = self._state(files, moment)
            if stamp == self.stamp and state == before.state and before.state != "unread":
                return False
            if before.state == "unread" or not _is_own(files):
                if time_slice is None or no_time:
                    self.is_due = True
                    return False
                time_slice.begins()
            self.summary, self.stamp = self._summary(files, state), stamp
        except OSError as error:  # removed meanwhile, or not to be read
            note = f"cannot read {error.filename or self.path}: {error.strerror or error}"
            self.summary, self.stamp = Summary("damaged", without_paths(note)), ()
        except Exception as error:  # noqa: BLE001 - one odd log must not hide the others
            note = f"cannot be read: {type(error).__name__}: {error}"
            self.summary, self.stamp = Summary("damaged", without_paths(note)), stamp
        self.summary = replace(self.summary, stamp=digest_of(self.stamp))
        return self.summary != before

    def _refuse(self, refused: Sequence[str]) -> bool:
        """Open nothing of a run that holds what nobody may open; returns whether that is new."""
        before = self.summary
        self.summary, self.stamp = Summary("damaged", why_refused(refused)), ()
        return self.summary != before

    def _state(self, files: Files, moment: Moment) -> State:
        """Say what a run is, its damage apart."""
        lock = _stamp(files, (LOCK,))
        is_known = lock == self._lock
        # The list of locks may be older than a process that has just begun.
        held = is_held(files.get(LOCK), moment.held if is_known else held_here())
        grows = self._grows_unheld(files, moment, held=held, is_known=is_known)  # compares with the look before
        self._lock = lock
        if RESULT in files:
            return "done"
        if held or grows or self.path in moment.elsewhere:
            return "running"
        return "stopped"

    def _grows_unheld(self, files: Files, moment: Moment, *, held: bool, is_known: bool) -> bool:
        """Whether its logs grew while nobody on this machine held it: then it runs on another one.

        That is known if nobody here held it at the last look and now, and nobody has taken the lock in between, which
        would have changed the time of its file. Else it may be what a process of this machine wrote that was killed.
        """
        logs = [files[name] for name in LOGS if name in files]
        size = sum(each.st_size for each in logs)
        if size > self._size >= 0 and not held and not self._was_held and is_known:
            age_s = moment.wall - max(each.st_mtime for each in logs)
            self._grew = moment.now - max(0.0, age_s)
        self._size, self._was_held = size, held
        return moment.now - self._grew < IDLE_S

    def _summary(self, files: Files, state: State) -> Summary:
        if _is_own(files):
            return self._own(files, state)
        if not any(name in files for name in FOREIGN):
            return Summary(state, "nothing is logged yet", self._head(complete=False))
        return self._foreign()

    def _own(self, files: Files, state: State) -> Summary:
        """Look at a run in this project's format."""
        self._describe(files)
        self._growing.read_on(files.get(ITERATIONS))
        result, unread = _read_result(self.path) if RESULT in files else ({}, "")
        fault = self._problem or self._growing.fault or unread
        told = self._description
        config: Mapping[str, Any] = told["config"] if told else {}
        last = self._growing.last
        return Summary(
            state="damaged" if fault else state,
            note=without_paths(fault.replace(f"{self.path}/", "")),
            head=self._head(complete=state == "done"),
            model=_model(told),
            planned=_whole(config.get("num_iterations")) if config.get("budget") != "evaluations" else None,
            numbers=self._growing.numbers[:],
            rewards=self._growing.rewards[:],
            best=self._growing.best[:],
            episodes=_whole(last.get("episodes")),
            calls=_whole(last.get("llm_calls")),
            heldout=_number(result.get("heldout_reward")),
            cost=_number(result.get("cost")),
            target=_number(config.get("optimum")),
            settings=settings_of(told),
            seed=told["seed"] if told else None,
            protocol=told["protocol"] if told else "",
        )

    def _describe(self, files: Files) -> None:
        """Read ``run.yaml``, if it is another one than before."""
        stamp = _stamp(files, (DESCRIPTION,))
        if stamp and stamp == self._described:
            return
        self._described, self._description, self._problem = stamp, None, ""
        try:
            self._description = RunDirectory(self.path).read_description()
        except InputError as error:
            self._problem = str(error)

    def _head(self, *, complete: bool) -> Values:
        log = Log(self.path, self._description, (), (), None, "", complete, ())
        return head_of_log(log, len(self._growing.numbers))

    def _foreign(self) -> Summary:
        """Look at a run in the published code's format, which has folders of its own."""
        refused = refused_below(self.path)
        if refused:
            return Summary("damaged", why_refused(refused))
        loaded = load_runs_of([RunDirectory(self.path)])
        if not loaded.runs:
            return Summary("damaged", without_paths(loaded.problems[0]))
        return _of_published(loaded.runs[0])


def _is_own(files: Files) -> bool:
    """Whether a run is in this project's format."""
    return DESCRIPTION in files or any(name in files and files[name].st_size for name in LOGS)


def _of_published(run: RunData) -> Summary:
    some = run.num_iterations > 0
    return Summary(
        state="done" if run.complete else "stopped",
        head=head_of_run(run),
        model=run.model if run.model != NO_MODEL else UNKNOWN,
        planned=run.planned_iterations,
        numbers=array("q", run.numbers.tolist()),
        rewards=array("d", run.rewards.tolist()),
        best=array("d", run.best_so_far.tolist() if some else []),
        highest=run.metric("best_reward"),
        episodes=int(run.episodes[-1]) if some else None,
        heldout=run.metric("heldout_reward"),
        target=run.target,
        settings=setting_rows(dict(run.config)),
        seed=run.seed,
        protocol=run.protocol,
    )


def digest_of(stamp: Stamp) -> str:
    """Name the state of the files that a page waits for; empty if it is not known.

    The calls, and the lines of an iteration under way, are read with the iteration that they belong to.
    """
    shown = [each for each in stamp if each[0] in (DESCRIPTION, ITERATIONS, RESULT, *FOREIGN)]
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:_DIGITS] if stamp else ""


def _stamp(files: Files, names: tuple[str, ...]) -> Stamp:
    known = ((name, files[name]) for name in names if name in files)
    return tuple((name, each.st_ino, each.st_size, each.st_mtime_ns) for name, each in known)


def _read_result(run: Path) -> tuple[Mapping[str, Any], str]:
    """Return the result, and why it cannot be read; whether it fits its logs is for the page of the run."""
    try:
        result = json.loads((run / RESULT).read_bytes())
    except (ValueError, RecursionError):
        result = None
    return (result, "") if isinstance(result, dict) else ({}, f"{RESULT} is not what r2po writes")


def _model(told: Description | None) -> str:
    if told is None:
        return "?"
    model = models_label(told["model"], told.get("critic_model") or "")
    return UNKNOWN if model == NO_MODEL else model


def _number(value: object) -> float | None:
    """Return a number that a page can show."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value) else None


def _whole(value: object) -> int | None:
    return value if type(value) is int else None
