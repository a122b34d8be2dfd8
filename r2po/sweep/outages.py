"""What people are told of servers that are out: lines when that begins and ends, and a file for ``r2po status``."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from r2po.experiment.summary import clock
from r2po.llm.outage import Outage
from r2po.runlog.jsonl import write_json
from r2po.sweep.own_file import own_path, paths_of_the_living, remove_those_of_the_dead
from r2po.sweep.plan import PlannedRun

MAX_OUTAGE_S = 24 * 3600.0
"""How long a sweep waits for a server that is out, if nothing else is said."""
FILES = "outages"
"""Kind of the files that say which outages there are."""
EVERY_S = 30.0
"""How often the file is renewed while an outage goes on."""
STALE_S = 3 * EVERY_S
"""A file that was not renewed for so long is what a killed sweep left, perhaps on another machine."""


class Outages:
    """The outages that this process has found in a sweep, kept beside the manifest; another one has its own file.

    Attributes:
        since: When each began, as people say it, by provider.
    """

    def __init__(self, folder: Path) -> None:
        self.since: dict[str, str] = {}
        self._path = own_path(folder, FILES)
        with suppress(OSError):
            self._path.unlink(missing_ok=True)  # it is of an earlier process with the same number
        remove_those_of_the_dead(folder, FILES)
        self._began: dict[str, datetime] = {}
        self._written_at = 0.0
        self._is_there = False

    def update(self, outages: Mapping[str, Outage]) -> list[str]:
        """Take note of the outages that there are now; return what is new, a line each."""
        now = datetime.now().astimezone()
        lines = []
        for name in self._began.keys() - outages.keys():
            lasted = (now - self._began.pop(name)).total_seconds()
            lines.append(f"{name} answers again after {clock(lasted)}; its calls go on")
        for name, outage in outages.items():
            if name not in self._began:
                self._began[name] = now - timedelta(seconds=outage.lasts_s)
                since = told_time(self._began[name], now)
                lines.append(f"{name}: no answer since {since} ({outage.reason}); {_WHAT_NOW}")
        self.since = {name: told_time(began, now) for name, began in self._began.items()}
        if lines or (self._began and time.monotonic() - self._written_at >= EVERY_S):
            self._write()
        return lines

    def close(self) -> None:
        """Nothing more is known."""
        self._began.clear()
        self._write()

    def _write(self) -> None:
        self._written_at = time.monotonic()
        with suppress(OSError):  # the sweep does not depend on it
            if self._began:
                write_json(self._path, {name: began.isoformat() for name, began in self._began.items()})
                self._is_there = True
            elif self._is_there:  # if another process wrote it, that renews or removes it
                self._path.unlink(missing_ok=True)
                self._is_there = False


_WHAT_NOW = "its runs wait and ask now and then; Ctrl-C stops, and the same command continues"


def read_outages(folder: Path) -> dict[str, str]:
    """Return since when each provider of a sweep under way has been out, as the processes that work on it know it."""
    began: dict[str, datetime] = {}
    for path in paths_of_the_living(folder, FILES):
        for name, when in _told(path).items():
            began[name] = min(when, began.get(name, when))
    return {name: told_time(when, datetime.now().astimezone()) for name, when in began.items()}


def _told(path: Path) -> dict[str, datetime]:
    """Return when each outage began, as a process knows it."""
    try:
        if time.time() - path.stat().st_mtime > STALE_S:
            return {}
        told = json.loads(path.read_text(encoding="utf-8")).items()
        return {str(name): datetime.fromisoformat(began).astimezone() for name, began in told}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # it has just gone; or it is damaged, and will be renewed


def first_to_start(waiting: Iterable[PlannedRun], out: Collection[str]) -> int:
    """Return which of the waiting runs starts next: those whose servers are out let the others pass."""
    return next((place for place, run in enumerate(waiting) if run.servers.isdisjoint(out)), 0)


def told_time(then: datetime, now: datetime) -> str:
    """Return a time of day, with its date unless it is less than half a day ago."""
    return then.strftime("%H:%M" if now - then < timedelta(hours=12) else "%Y-%m-%d %H:%M")
