"""The run's side of batches: its calls go to the clerk instead of the server, and what comes back is read as ever."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from r2po.llm.budget import Budget
from r2po.llm.client import Client
from r2po.llm.gate import Gate
from r2po.llm.prices import BATCH
from r2po.llm.types import SEARCH, AttemptFailed, Request
from r2po.sweep.batching.messages import BatchCall, BatchChannel
from r2po.sweep.gate import SweepGate
from r2po.sweep.messages import ANSWERED, FAILED, AttemptOutcome, Note, PermitRequest, Progress, Verdict


class BatchLine:
    """Leads the requests of a run to the clerk."""

    def __init__(self, run: int, channel: BatchChannel) -> None:
        self._run = run
        self._channel = channel
        self._numbers = itertools.count(-1, -1)
        self._asked: set[tuple[int, str]] = set()
        self._lock = threading.Lock()

    def __call__(self, request: Request, body: Mapping[str, Any]) -> tuple[int, Any]:
        """Wait for the answer to a request.

        Raises:
            AttemptFailed: Its batch ended without one.
        """
        place = request.iteration, request.key
        with self._lock:
            number, again = next(self._numbers), place in self._asked
            self._asked.add(place)
        call = BatchCall(self._run, request.role, request.iteration, request.key, body, again, call=number)
        outcome = self._channel.hand_in(call).outcome
        if outcome.status is None:
            raise AttemptFailed(f"no answer in a batch: {outcome.reason}", retryable=True)
        return outcome.status, outcome.body


class _Unpaced:
    """A channel to the coordinator for calls in batches: caps hold for them, and no pace of calls of their own."""

    def __init__(self, channel: BatchChannel) -> None:
        self._channel = channel

    def ask(self, ask: PermitRequest | AttemptOutcome) -> Verdict:
        if isinstance(ask, AttemptOutcome):  # an outage is nothing that a batch could show
            self.tell(replace(ask, sign=None))
            return Verdict(ask.run, call=ask.call)
        return self._channel.ask(replace(ask, provider=""))

    def tell(self, message: AttemptOutcome | Progress | Note) -> None:
        if isinstance(message, AttemptOutcome) and message.kind != ANSWERED:
            message = replace(message, kind=FAILED)
        self._channel.tell(message)


def batch_gate(run: int, client: Client, budget: Budget, channel: BatchChannel) -> Gate:
    """Lead the requests of a run's models to the clerk; returns the gate at which its calls wait."""
    line = BatchLine(run, channel)
    for _, model in sorted(client.models.items(), key=lambda each: each[0] == SEARCH):
        share = model.prices.batch if model.prices is not None else None
        model.provider.line = line
        model.provider.price_share = BATCH if share is None else share
    return SweepGate(run, client, budget, _Unpaced(channel))
