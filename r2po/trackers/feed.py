"""Brings a tracker what it lacks of a run, in the order of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from r2po.llm.redaction import Redaction
from r2po.trackers.reading import RunReader
from r2po.trackers.tracker import Sent, Sink, Tracker

AT_ONCE = 40
"""Iterations that are sent in one call."""


class Feed:
    """One run on its way to one tracker.

    Args:
        tracker: Where it goes.
        path: The run directory.
        redaction: Blanks keys in what is sent.

    Attributes:
        points: How many iterations were sent.
        ended: Whether the tracker has the ending.
        had_ending: Whether it had that before.
        sink: What takes the run; None until it is open.
    """

    def __init__(self, tracker: Tracker, path: Path, redaction: Redaction) -> None:
        self._tracker, self._path, self._redaction = tracker, path, redaction
        self.points = 0
        self.ended = self.had_ending = False
        self.sink: Sink | None = None

    def load(self) -> None:
        """Open the sink, which imports what it needs."""
        self._reader = RunReader(self._path, self._redaction)
        self.sink = self._tracker.open(self._reader.run)

    def reach(self) -> None:
        """Ask what the tracker has."""
        assert self.sink is not None
        self._sent: Sent = self.sink.sent()
        self.ended = self.had_ending = self._sent.ended

    def describe(self) -> None:
        """Describe the run to a tracker that has nothing of it."""
        assert self.sink is not None
        if not self._sent.described:
            self.sink.describe()

    def waiting(self) -> Iterator[Callable[[], None]]:
        """Yield calls, each of which sends some of what the log has and the tracker does not."""
        assert self.sink is not None
        points = (point for point in self._reader.new_points() if point.step > self._sent.step)
        while batch := list(islice(points, AT_ONCE)):
            yield partial(self.sink.log, batch)
            self.points += len(batch)

    def close(self) -> None:
        """Send the ending, if the run has come to it, and close the sink."""
        assert self.sink is not None
        ending = self._reader.ending()
        if ending is not None and not self.ended:
            self.sink.end(ending)
            self.ended = True
        self.sink.close(complete=ending is not None)
