"""All trackers of a run, from the side of the run."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from r2po.llm.known_keys import secrets_in
from r2po.llm.redaction import Redaction, secrets_of
from r2po.trackers.guard import LIMITS, Guarded, Limits
from r2po.trackers.tracker import Tracker

_SECRET = re.compile(r"\w*_(?:KEY|TOKEN|PASSWORD|SECRET)")
_ADDRESS = re.compile(r"\w*_(?:URL|URI)")


class Following:
    """The trackers of one run, told of its progress by the thread that makes it.

    Args:
        trackers: They.
        environ: The variables whose keys are blanked in what is sent.
        note: Takes a line when a tracker stops.
        limits: How long a tracker may take.
    """

    def __init__(
        self,
        trackers: Sequence[Tracker],
        environ: Mapping[str, str],
        note: Callable[[str], None],
        limits: Limits = LIMITS,
    ) -> None:
        self._trackers, self._note, self._limits = trackers, note, limits
        self._redaction = redaction_of(environ)
        self._guarded: list[Guarded] = []

    def begin(self, path: Path) -> None:
        """The run has a description; what its log holds already is sent, too."""
        if not self._guarded:
            self._guarded = [Guarded(each, path, self._redaction, self._limits) for each in self._trackers]

    def look(self) -> None:
        """The log has grown."""
        for each in self._guarded:
            self._tell(each.look())

    def finish(self, *, complete: bool) -> None:
        """The run is over. Wait for what its trackers still send, but not for long.

        Args:
            complete: Whether it came to its end; else it was stopped, and somebody may wait for that.
        """
        guarded, self._guarded = self._guarded, []
        limits = self._limits
        for each in guarded:  # all of them take what is left at once
            each.end(limits.ending, limits.ending if complete else limits.stopped)
        try:
            self._wait_for(guarded)
        except BaseException:  # Ctrl-C once more
            for each in guarded:
                each.abandon()
            raise

    def _wait_for(self, guarded: Sequence[Guarded]) -> None:
        says_at = time.monotonic() + self._limits.unsaid
        while left := [each for each in guarded if not each.is_done]:
            left[0].wait()
            for each in left:
                self._tell(each.look())
            if time.monotonic() > says_at and (names := [each.name for each in left if not each.is_done]):
                says_at = float("inf")
                self._note(f"waiting for {' and '.join(names)}, at most {self._limits.ending:g} s")

    def _tell(self, text: str) -> None:
        if text:
            self._note(text)


def redaction_of(environ: Mapping[str, str]) -> Redaction:
    """Return what blanks keys: those of providers in ``environ``, and whatever the process holds for trackers."""
    found = set(secrets_in(environ))
    for name, value in {**os.environ, **environ}.items():
        value = value.strip()
        if _SECRET.fullmatch(name):
            found.update(secrets_of(value, "", ""))
        elif _ADDRESS.fullmatch(name):
            with suppress(ValueError):
                found.update(secrets_of("", urlsplit(value).password or "", ""))
    return Redaction(sorted(found, key=len, reverse=True))
