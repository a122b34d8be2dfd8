"""Keeps whatever happens in a tracker away from the run: errors, servers that do not answer, slow ones.

A tracker is fed in a thread of its own, from the log. The run never waits for it, except for a moment at the end. What
goes wrong becomes one note, and the tracker is silent from then on. What it lacks can be sent later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from r2po.installation import call
from r2po.llm.redaction import Redaction
from r2po.trackers.feed import Feed
from r2po.trackers.tracker import Tracker

_MOMENT_S = 0.02


@dataclass(frozen=True)
class Limits:
    """How long a tracker may take, in seconds.

    Attributes:
        call: For any call but those below.
        loading: To import packages, and to make tables on this machine, before anything is sent.
        reaching: To be reached: servers may take a while for a first answer.
        ending: For what comes at the end: files, and what a tracker has not sent yet. A run waits as long, too.
    """

    call: float = 5.0
    loading: float = 120.0
    reaching: float = 15.0
    ending: float = 30.0


LIMITS = Limits()


class Guarded:
    """One tracker of a run.

    Args:
        tracker: The tracker.
        path: The run directory.
        redaction: Blanks keys in what is sent and in the note.
        limits: How long it may take.
    """

    def __init__(self, tracker: Tracker, path: Path, redaction: Redaction, limits: Limits = LIMITS) -> None:
        self._name, self._path = tracker.name, path
        self._redact, self._limits = redaction.message, limits
        self._feed = Feed(tracker, path, redaction)
        self._news = threading.Event()
        self._is_over = False
        self._deadline, self._limit = float("inf"), 0.0
        self._problem = ""
        self._is_silent = self._is_loaded = False
        self._thread = threading.Thread(target=self._work, name=f"tracker-{tracker.name}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # the system has no room for another thread
            self._problem = str(error)

    def look(self) -> str:
        """Say that the log may have grown. Returns a note if the tracker has just become silent, else nothing."""
        self._news.set()
        return self._noticed()

    def finish(self) -> str:
        """Let the tracker take what is left, and wait for that, but not for long. Returns a note as ``look`` does."""
        self._is_over = True
        self._news.set()
        until = time.monotonic() + self._limits.ending
        while self._thread.is_alive() and not self._is_silent:
            if note := self._noticed():
                return note
            if not self._is_loaded:
                until = time.monotonic() + self._limits.ending
            if time.monotonic() > until:
                return self._silence(f"it was not done {self._limits.ending:g} s after the run")
            self._thread.join(_MOMENT_S)
        return self._noticed()

    def _noticed(self) -> str:
        if self._is_silent:
            return ""
        if self._problem:
            return self._silence(self._problem)
        if time.monotonic() > self._deadline:
            return self._silence(f"it did not answer within {self._limit:g} s")
        return ""

    def _silence(self, why: str) -> str:
        self._is_silent = True
        if self._feed.sink is not None:
            with suppress(Exception):
                self._feed.sink.abandon()
        again = call("track", str(self._path), "--to", self._name)
        return f"{self._name} stopped: {self._redact(why)}; the run goes on; `{again}` sends it later"

    def _work(self) -> None:
        """Feed the tracker, in its thread, until the run is over or the tracker is silent."""
        try:
            self._timed(self._feed.load, self._limits.loading)
            self._is_loaded = True
            for do in (self._feed.reach, self._feed.describe):
                self._timed(do, self._limits.reaching)
            while not self._is_silent:
                is_over = self._is_over  # first: what is logged by then is sent below
                for send in self._feed.waiting():
                    self._timed(send, self._limits.call)
                if is_over:
                    self._timed(self._feed.close, self._limits.ending)
                    return
                self._news.wait()
                self._news.clear()
        except _SilentError:
            return
        except BaseException as error:  # noqa: BLE001 - whatever a tracker does, the run goes on
            self._problem = f"{type(error).__name__}: {error}"

    def _timed(self, do: Callable[[], object], limit_s: float) -> None:
        if self._is_silent:
            raise _SilentError
        self._limit, self._deadline = limit_s, time.monotonic() + limit_s
        do()
        took_too_long = time.monotonic() > self._deadline
        self._deadline = float("inf")
        if took_too_long:
            raise TimeoutError(f"a call took more than {limit_s:g} s")


class _SilentError(Exception):
    """Nothing more is sent."""
