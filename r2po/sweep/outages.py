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
from r2po.sweep.plan import PlannedRun

MAX_OUTAGE_S = 24 * 3600.0
"""How long a sweep waits for a server that is out, if nothing else is said."""
FILE = "outages.json"
EVERY_S = 30.0
"""How often the file is renewed while an outage goes on."""
STALE_S = 3 * EVERY_S
"""A file that was not renewed for so long is what a killed sweep left."""


class Outages:
    """The outages of a sweep that is under way, kept beside its manifest.

    Attributes:
        since: When each began, as people say it, by provider.
    """

    def __init__(self, folder: Path) -> None:
        self.since: dict[str, str] = {}
        self._path = folder / FILE
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
    """Return since when each provider of a sweep under way has been out, as another process knows it."""
    path = folder / FILE
    try:
        if time.time() - path.stat().st_mtime > STALE_S:
            return {}
        told = {str(name): datetime.fromisoformat(began) for name, began in json.loads(path.read_text()).items()}
        return {name: told_time(began, datetime.now().astimezone()) for name, began in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # there is none; or it is damaged, and will be renewed


def first_to_start(waiting: Iterable[PlannedRun], out: Collection[str]) -> int:
    """Return which of the waiting runs starts next: those whose servers are out let the others pass."""
    return next((place for place, run in enumerate(waiting) if run.servers.isdisjoint(out)), 0)


def told_time(then: datetime, now: datetime) -> str:
    """Return a time of day, with its date unless it is less than half a day ago."""
    return then.strftime("%H:%M" if now - then < timedelta(hours=12) else "%Y-%m-%d %H:%M")
