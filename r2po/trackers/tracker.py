"""What a tracker is: a kind of place to send runs to, and a sink for each run that is sent there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from r2po.errors import InputError


class TrackerUnavailableError(InputError):
    """A tracker takes no run at all, as it is set up; the text says why, in one line for people."""


@dataclass(frozen=True)
class TrackedRun:
    """What trackers are told of a run before its first iteration.

    Attributes:
        path: Its run directory.
        identity: 16 hexadecimal digits, a hash of ``run.yaml`` and of the name ``run_N``. They stay the same if logs
            are moved or their folders renamed. A copy of the run under another number is another run.
        logs: The folder that has the log directories of all experiments.
        experiment: Name of the experiment: that of its log directory.
        name: ``run_N``, with "(stand-in)" or "(replay)" after it if no model answered.
        method: Value of the config key ``method``; of a baseline, its algorithm.
        tags: Facts to find runs by, each a short text: ``environment``, ``model``, ``seed``, ``stand_in``, ...
        began: When it was begun, in seconds since 1970; None if that is not on record.
        config: The resolved config, without keys, and with the seed that the run has.
        config_text: The resolved config as YAML.
    """

    path: Path
    identity: str
    logs: Path
    experiment: str
    name: str
    method: str
    tags: Mapping[str, str]
    began: float | None
    config: Mapping[str, Any]
    config_text: str

    @property
    def is_stand_in(self) -> bool:
        """Whether no language model answered."""
        return "stand_in" in self.tags


@dataclass(frozen=True)
class Point:
    """The scalars of an iteration.

    Attributes:
        step: Number of the iteration, from 1.
        time: When it ended, in seconds since 1970; the same whenever it is sent.
        values: Finite numbers by name; what is not known is not there.
    """

    step: int
    time: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Ending:
    """What came of a complete run.

    Attributes:
        point: Its last iteration, with the scalars that are known only now.
        texts: Files to keep with the run, by name: config, result and best policy.
        files: Further ones, which are sent as they are: figures, a report, a trained model.
    """

    point: Point
    texts: Mapping[str, str]
    files: Sequence[Path] = ()


@dataclass(frozen=True)
class Sent:
    """How much of a run a tracker has.

    Attributes:
        described: Whether it has the config.
        step: The last iteration that it has; 0 for none.
        ended: Whether it has the ending.
    """

    described: bool = False
    step: int = 0
    ended: bool = False


class Sink(ABC):
    """Takes one run. All calls but ``abandon`` come from one thread; any of them may raise, or never return."""

    @abstractmethod
    def sent(self) -> Sent:
        """Return what the tracker already has of this run: the first call."""

    @abstractmethod
    def describe(self) -> None:
        """Send the config and the tags; not called if the tracker has them."""

    @abstractmethod
    def log(self, points: Sequence[Point]) -> None:
        """Send iterations that the tracker does not have, in their order."""

    @abstractmethod
    def end(self, ending: Ending) -> None:
        """Send what came of the run; not called if the tracker has it."""

    @abstractmethod
    def close(self, *, complete: bool) -> None:
        """The last call; the run is ``complete``, or was stopped and may be resumed."""

    def abandon(self) -> None:  # noqa: B027 - few have anything to do
        """Nothing more is sent, and another thread may wait for an answer: let the process end nevertheless.

        It must not wait for anything itself.
        """


@dataclass(frozen=True)
class Tracker:
    """A place to send runs to.

    Attributes:
        name: What ``track`` calls it.
        open: Returns the sink of a run. It is called in a thread of its own, and imports what is heavy.
        modules: Modules that must be installed.
        extra: The extra of r2po that brings them; empty for a tracker of one's own.
    """

    name: str
    open: Callable[[TrackedRun], Sink]
    modules: Sequence[str] = field(default=())
    extra: str = ""
