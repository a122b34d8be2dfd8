"""How long is waited between looks at a server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pauses:
    """How long is waited between looks at a server, in seconds.

    Attributes:
        first_s: Before the first look whether a batch is over.
        longest_s: Between two such looks at most.
        settle_s: How long a batch that may have been sent is looked for.
        doubt_s: How long it is waited for batches that may be it. Each of them ends within a day.
    """

    first_s: float = 60.0
    longest_s: float = 600.0
    settle_s: float = 120.0
    doubt_s: float = 26 * 3600.0
