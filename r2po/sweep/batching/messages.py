"""What runs and the clerk of the batches say to each other. Everything is plain data: it goes through pipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from r2po.llm.providers.batches.batches import Outcome
from r2po.sweep.messages import Channel, OfAttempt


@dataclass(frozen=True)
class BatchCall(OfAttempt):
    """An attempt at a call that is to be made in a batch; its number is negative, unlike those of permits.

    Attributes:
        role: Who asks; with the run, it says which server.
        iteration: Of the run.
        address: Address of the reply in the store of calls.
        body: The request, as a call of its own would have sent it.
        again: Whether this process of the run has had an outcome of the same call before, which did not do.
    """

    role: str
    iteration: int
    address: str
    body: Mapping[str, Any]
    again: bool = False


@dataclass(frozen=True)
class BatchAnswer(OfAttempt):
    """What came of a ``BatchCall``."""

    outcome: Outcome


@runtime_checkable
class BatchChannel(Channel, Protocol):
    """Connects a run to the coordinator, and to the clerk."""

    def hand_in(self, call: BatchCall) -> BatchAnswer:
        """Wait for what comes of a call in a batch."""
