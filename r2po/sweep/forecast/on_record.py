"""What the calls of runs on record have really used, by role: the best that a forecast can rest on."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from r2po.errors import InputError
from r2po.llm.usage import Usage
from r2po.runlog import RunDirectory
from r2po.runlog.events import FILE, Replied, read_events

MOST_READ = 3
"""Runs of an experiment that are read: more tell little, and cost time."""


@dataclass
class RoleRecord:
    """What the replies to a role took; counts that a server did not tell make the sum unknown.

    Attributes:
        replies: Their number in complete iterations.
        iterations: For each of these replies, its iteration.
        usage: Their tokens.
        timed: Those of them that tell how long a server takes: replies in batches do not.
        latency_s: Seconds from their requests to their replies.
    """

    replies: int = 0
    iterations: list[int] = field(default_factory=list)
    usage: Usage = field(default_factory=lambda: Usage(0, 0, 0, None, 0))
    timed: int = 0
    latency_s: float = 0.0

    def count(self, iteration: int, usage: Usage, latency_s: float) -> None:
        """Count a reply; tokens written to a cache that a server does not tell of were not written."""
        self.replies += 1
        self.iterations.append(iteration)
        self.usage += replace(usage, cache_write_tokens=usage.cache_write_tokens or 0)
        if usage.price_share is None:
            self.timed += 1
            self.latency_s += latency_s


@dataclass
class OnRecord:
    """What runs of an experiment on record took.

    Attributes:
        done: The iterations that each of them has.
        roles: What their replies took, by role.
        elapsed_s: Seconds that their iterations took.
        bytes: Disk space that they take.
    """

    done: list[int] = field(default_factory=list)
    roles: dict[str, RoleRecord] = field(default_factory=lambda: defaultdict(RoleRecord))
    elapsed_s: float = 0.0
    bytes: int = 0

    @property
    def iterations(self) -> int:
        """The iterations of all these runs."""
        return sum(self.done)

    @property
    def was_in_batches(self) -> bool:
        """Whether some of the replies came in batches: how long the iterations took tells nothing of others then."""
        return any(role.timed < role.replies for role in self.roles.values())

    @property
    def replies(self) -> int:
        """The replies of all roles."""
        return sum(role.replies for role in self.roles.values())


def read_record(paths: Sequence[Path]) -> OnRecord:
    """Read the runs that have come farthest, at most ``MOST_READ``; one that is damaged tells nothing."""
    record = OnRecord()
    for path in sorted(paths, key=_bytes_of_calls, reverse=True)[:MOST_READ]:
        try:
            iterations = RunDirectory(path).read_iterations()
            if not iterations:
                continue
            replies = [event for event in read_events(path / FILE, texts=False) if isinstance(event, Replied)]
            usages = [Usage(**event.usage) for event in replies]
            elapsed = math.fsum(each["times"].get("elapsed_s") or 0.0 for each in iterations)
            size = size_of(path)
        except (InputError, OSError, TypeError, KeyError, AttributeError):
            continue
        for event, usage in zip(replies, usages, strict=True):
            if event.request.iteration <= len(iterations):
                record.roles[event.request.role].count(event.request.iteration, usage, event.latency_s)
        record.done.append(len(iterations))
        record.elapsed_s += elapsed
        record.bytes += size
    return record


def together(records: Iterable[RoleRecord]) -> RoleRecord:
    """Return the sum of what several roles or experiments took."""
    total = RoleRecord()
    for record in records:
        total.iterations += record.iterations
        total.replies += record.replies
        total.timed += record.timed
        total.latency_s += record.latency_s
        total.usage += record.usage
    return total


def _bytes_of_calls(path: Path) -> int:
    try:
        return (path / FILE).stat().st_size
    except OSError:
        return 0


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
