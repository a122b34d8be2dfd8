"""Calls that wait to be sent, and how they are divided into batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from r2po.sweep.batching.messages import BatchCall
from r2po.sweep.batching.record import Identity


@dataclass
class Collected:
    """Calls to one model.

    Attributes:
        calls: The calls.
        bytes: About how many bytes their requests take.
        since: When the first of them came, by ``time.monotonic``.
    """

    calls: dict[Identity, BatchCall] = field(default_factory=dict)
    bytes: int = 0
    since: float = 0.0

    def add(self, identity: Identity, call: BatchCall, now: float) -> None:
        """Add a call, unless it is there."""
        if not self.calls:
            self.since = now
        if identity not in self.calls:
            self.calls[identity] = call
            self.bytes += size_of(call)

    def leave_out(self, identity: Identity) -> None:
        """Leave a call out, if it is there."""
        call = self.calls.pop(identity, None)
        self.bytes -= size_of(call) if call else 0

    def take(self) -> list[tuple[Identity, BatchCall]]:
        """Return all calls; none are left."""
        calls, self.calls, self.bytes = list(self.calls.items()), {}, 0
        return calls


def size_of(call: BatchCall) -> int:
    """Return about how many bytes a request takes."""
    return len(json.dumps(call.body))


def parts(
    calls: Sequence[tuple[Identity, BatchCall]], most_items: int, most_bytes: int
) -> Iterable[list[tuple[Identity, BatchCall]]]:
    """Yield the calls in parts, none of them too large unless a single call is."""
    part: list[tuple[Identity, BatchCall]] = []
    size = 0
    for identity, call in calls:
        own = size_of(call)
        if part and (len(part) >= most_items or size + own > most_bytes):
            yield part
            part, size = [], 0
        part.append((identity, call))
        size += own
    if part:
        yield part
