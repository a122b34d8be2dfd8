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

from r2po.errors import InputError
from r2po.llm.redaction import Redaction
from r2po.trackers.feed import Feed
from r2po.trackers.later import how_to_send
from r2po.trackers.tracker import Tracker, TrackerUnavailableError

_MOMENT_S = 0.02


@dataclass(frozen=True)
class Limits:
    """How long a tracker may take, in seconds.

    Attributes:
        call: For any call but those below.
        loading: To import packages, and to make tables on this machine, before anything is sent.
        reaching: To be reached: servers may take a while for a first answer.
        ending: For what comes at the end: files, and what a tracker has not sent yet. A run waits as long at its end,
            for all of its trackers together, loading included.
        stopped: What is left of ``loading`` when a run was stopped: whoever has interrupted it waits for it.
        unsaid: A run that waits longer at its end says so.
    """

    call: float = 5.0
    loading: float = 120.0
    reaching: float = 15.0
    ending: float = 30.0
    stopped: float = 5.0
    unsaid: float = 1.0


LIMITS = Limits()


class Guarded:
    """One tracker of a run.

    Args:
        tracker: The tracker.
        path: The run directory.
        redaction: Blanks keys in what is sent and in the note.
        limits: How long it may take.

    Attributes:
        name: Name of the tracker.
        feed: What it is fed by.
        problem: Why it is silent; empty if it is not.
        is_unavailable: Whether it would take no other run either: it cannot be reached, or does not answer.
    """

    def __init__(self, tracker: Tracker, path: Path, redaction: Redaction, limits: Limits = LIMITS) -> None:
        self.name, self._path = tracker.name, path
        self.feed = Feed(tracker, path, redaction)
        self.problem = ""
        self.is_unavailable = False
        self._redact, self._limits = redaction.message, limits
        self._news = threading.Event()
        self._is_over = False
        self._deadline, self._limit = float("inf"), 0.0
        self._over_at, self._within, self._loaded_within = 0.0, float("inf"), float("inf")
        self._error: BaseException | None = None
        self._is_silent = self._is_loaded = self._is_reached = False
        self._thread = threading.Thread(target=self._work, name=f"tracker-{tracker.name}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # the system has no room for another thread
            self._error = error

    def look(self) -> str:
        """Say that the log may have grown. Returns a note if the tracker has just become silent, else nothing."""
        self._news.set()
        why = "" if self._is_silent else self._trouble()
        if not why:
            return ""
        self.abandon()
        self.problem = self._redact(why)
        later = how_to_send(self._path, [self.name])
        return f"{self.name} stopped: {self.problem}; the run goes on; `{later}` sends it later"

    def end(self, within_s: float, loaded_within_s: float) -> None:
        """Let the tracker take what is left: nothing more will be logged. Call ``look`` until it ``is_done``.

        Args:
            within_s: How long it has for that.
            loaded_within_s: How long it has to be loaded, if it is not yet.
        """
        self._over_at, self._within, self._loaded_within = time.monotonic(), within_s, loaded_within_s
        self._is_over = True
        self._news.set()

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to wait for: it has taken all, or is silent."""
        return self._is_silent or (not self._thread.is_alive() and self._error is None)

    def send_all(self) -> None:
        """Send what the log has, and return when the tracker has it or is silent; nobody else tells of news."""
        self.end(float("inf"), float("inf"))
        try:
            while not self.is_done:
                self.wait()
                self.look()
        except BaseException:  # Ctrl-C
            self.abandon()
            raise

    def wait(self) -> None:
        """Wait a moment for it."""
        self._thread.join(_MOMENT_S)

    def abandon(self) -> None:
        """Let it be silent from now on, and let the process end although it may still wait for an answer."""
        self._is_silent = True
        if self.feed.sink is not None:
            with suppress(Exception):
                self.feed.sink.abandon()

    def _trouble(self) -> str:
        """Return why it cannot go on; empty if it can."""
        if self._error is not None:
            said = str(self._error)
            return said if isinstance(self._error, InputError) else f"{type(self._error).__name__}: {said}"
        if not self._thread.is_alive():
            return ""
        now = time.monotonic()
        if now > self._deadline:
            self.is_unavailable = True
            return f"it did not answer within {self._limit:g} s"
        within, doing = (self._within, "sending") if self._is_loaded else (self._loaded_within, "loading")
        if now - self._over_at > within:
            return f"it was still {doing} {within:g} s after the run"
        return ""

    def _work(self) -> None:
        """Feed the tracker, in its thread, until the run is over or the tracker is silent."""
        try:
            self._timed(self.feed.load, self._limits.loading)
            self._is_loaded = True
            for do in (self.feed.reach, self.feed.describe):
                self._timed(do, self._limits.reaching)
            self._is_reached = True
            while not self._is_silent:
                is_over = self._is_over  # first: what is logged by then is sent below
                for send in self.feed.waiting():
                    self._timed(send, self._limits.call)
                if is_over:
                    self._timed(self.feed.close, self._limits.ending)
                    return
                self._news.wait()
                self._news.clear()
        except _SilentError:
            return
        except BaseException as error:  # noqa: BLE001 - whatever a tracker does, the run goes on
            self.is_unavailable |= self._tells_of_all_runs(error)
            self._error = error

    def _tells_of_all_runs(self, error: BaseException) -> bool:
        """Whether an error would come with any other run, too, rather than from the files of this one."""
        if isinstance(error, InputError):
            return isinstance(error, TrackerUnavailableError)
        return not self._is_reached and getattr(error, "filename", None) is None

    def _timed(self, do: Callable[[], object], limit_s: float) -> None:
        if self._is_silent:
            raise _SilentError
        self._limit, self._deadline = limit_s, time.monotonic() + limit_s
        do()
        took_too_long = time.monotonic() > self._deadline
        self._deadline = float("inf")
        if took_too_long:
            self.is_unavailable = True
            raise TimeoutError(f"a call took more than {limit_s:g} s")


class _SilentError(Exception):
    """Nothing more is sent."""
