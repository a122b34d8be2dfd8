"""What runs take, what that is called, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from r2po.llm.usage import plus

RECORD, OF_MODEL, STAND_IN, GIVEN, LIMITED, ASSUMED, UNKNOWN, BATCHED = (
    *("the experiment's replies on record", "the model's replies on record", "the stand-in's replies"),
    *("--reply-s", "max_output_tokens", "an assumption", "unknown", "batches"),
)
"""What a figure rests on."""


@dataclass(frozen=True)
class Amounts:
    """What runs will take; None for what is not known.

    Attributes:
        calls: Calls.
        tokens_in: Tokens of prompts, cached ones included.
        tokens_cached: Those of them that will be read from the provider's cache.
        tokens_out: Tokens of replies.
        cost: Money.
        cost_to_approve: The same, but with replies as long as they can be where none is on record.
        seconds: What the runs take one after the other.
        work_s: What they take besides waiting for replies.
        bytes: Disk space.
        saved: Money that is saved by batches.
    """

    calls: float = 0.0
    tokens_in: float = 0.0
    tokens_cached: float | None = 0.0
    tokens_out: float = 0.0
    cost: float | None = 0.0
    cost_to_approve: float | None = 0.0
    seconds: float | None = 0.0
    work_s: float = 0.0
    bytes: float = 0.0
    saved: float | None = 0.0

    def __add__(self, other: Amounts) -> Amounts:
        """Add up; something unknown makes the sum unknown."""
        return Amounts(
            self.calls + other.calls,
            self.tokens_in + other.tokens_in,
            plus(self.tokens_cached, other.tokens_cached),
            self.tokens_out + other.tokens_out,
            plus(self.cost, other.cost),
            plus(self.cost_to_approve, other.cost_to_approve),
            plus(self.seconds, other.seconds),
            self.work_s + other.work_s,
            self.bytes + other.bytes,
            plus(self.saved, other.saved),
        )


@dataclass(frozen=True)
class Basis:
    """What the figures of an experiment rest on.

    Attributes:
        stand_in: What answered in the pilot.
        pilot_iterations: Iterations of the pilot.
        planned: Iterations of a whole run.
        runs: Runs on record.
        iterations: Iterations on record.
        replies: Replies on record.
        reply_tokens: By role, what the length of its replies rests on.
        reply_s: By role, what the time that its replies take rests on.
        without_prices: Models whose prices are not known.
        unlimited: Models without replies on record and without a limit on their length.
    """

    stand_in: str
    pilot_iterations: int
    planned: int
    runs: int
    iterations: int
    replies: int
    reply_tokens: Mapping[str, str]
    reply_s: Mapping[str, str]
    without_prices: tuple[str, ...]
    unlimited: tuple[str, ...]

    @property
    def roles(self) -> list[str]:
        """The roles that ask."""
        return list(self.reply_tokens)
