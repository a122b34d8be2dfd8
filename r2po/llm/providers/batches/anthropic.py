"""Anthropic's batches: requests are sent as one object, and results are lines in any order.

Where this was read is in docs/batches.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from r2po.llm.failures import told_status
from r2po.llm.providers.batches.batches import (
    GONE,
    MOST_RESULT_BYTES,
    Batches,
    Found,
    Item,
    Outcome,
    Results,
    Standing,
    is_older,
    is_younger,
    listed,
)
from r2po.llm.providers.payload import count, entry, string
from r2po.llm.types import AttemptFailed

_PATH = "/v1/messages/batches"
_ENDED = "ended"
_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
_WHY = {
    "expired": "the batch expired before it was answered",
    "canceled": "the batch was cancelled before it was answered",
}


class AnthropicBatches(Batches):
    """``/v1/messages/batches``. A batch bears no name of one's own: only its results tell which one it is."""

    list_path = f"{_PATH}?limit=1"

    def send(self, own_id: str, items: Sequence[Item], prepared: str) -> str:  # noqa: ARG002 - the items bear the id
        """Send a batch; returns the server's name for it."""
        body = {"requests": [{"custom_id": item.name, "params": item.body} for item in items]}
        return string(self._transport.post_json(_PATH, body), "id")

    def find(self, own_id: str, items: int, since: datetime, others: Collection[str]) -> Found:
        """Look for a batch in the list of the server: it was made about when it was sent."""
        doubtful = ""
        for batch in self._newest_first():
            name, made, sent = string(batch, "id"), entry(batch, "created_at"), since + self._transport.clock_ahead
            if is_older(made, sent):
                break
            requests = sum(count(batch, "request_counts", each) or 0 for each in _COUNTS)
            if is_younger(made, sent) or name in others or requests != items:
                continue
            if string(batch, "processing_status") != _ENDED:
                doubtful = name
            elif any(each.startswith(own_id) for each in self._ended(name)):
                return Found(name)
        return Found(doubtful=doubtful)

    def standing(self, name: str) -> Standing:
        """Return how far a batch is."""
        batch = self._transport.get_json(self._path(name))
        is_over = string(batch, "processing_status") == _ENDED
        return Standing(is_over, answered=count(batch, "request_counts", "succeeded"))

    def results(self, name: str, items: Sequence[str]) -> Results:  # noqa: ARG002 - the lines name them
        """Return what came of the requests of a batch that is over."""
        lines, unreadable = self._transport.get_lines(f"{self._path(name)}/results", most_bytes=MOST_RESULT_BYTES)
        outcomes = {string(line, "custom_id"): self._outcome(entry(line, "result")) for line in lines}
        return Results(outcomes, unreadable)

    def cancel(self, name: str) -> None:
        """Ask the server to stop."""
        self._transport.post_json(f"{self._path(name)}/cancel", {})

    def _path(self, name: str) -> str:
        return f"{_PATH}/{quote(name, safe='')}"

    def _ended(self, name: str) -> Collection[str]:
        """Return the names of the requests of a batch that has ended; none if its results are gone."""
        try:
            return self.results(name, ()).outcomes.keys()
        except AttemptFailed as failure:
            if failure.status == GONE:
                return ()
            raise

    def _newest_first(self) -> Iterator[dict[str, Any]]:
        return listed(self._transport, _PATH, "after_id")

    def _outcome(self, result: Any) -> Outcome:
        kind = string(result, "type")
        if kind == "succeeded":
            return Outcome(200, entry(result, "message"))
        if kind == "errored":
            error = entry(result, "error")
            return Outcome(told_status(error) or 500, error)
        return Outcome(None, reason=_WHY.get(kind) or self.redact(f"its result is of the unknown type {kind!r}"))
