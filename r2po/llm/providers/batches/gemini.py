"""Gemini's batches: requests are sent within one object, and answers come within another, in the same order.

Where this was read is in docs/batches.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from r2po.llm.providers.batches.batches import (
    MOST_PAGES,
    MOST_RESULT_BYTES,
    PAGE,
    Batches,
    Found,
    Item,
    Outcome,
    Results,
    Standing,
)
from r2po.llm.providers.payload import entries, entry, string
from r2po.llm.transport import Transport
from r2po.llm.types import AttemptFailed

_SUCCEEDED = "SUCCEEDED"
_OVER = frozenset({_SUCCEEDED, "CANCELLED", "EXPIRED", "FAILED"})
_STATUSES = {1: 499, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 12: 501, 13: 500, 14: 503, 16: 401}
"""HTTP statuses by the codes of gRPC, which stand in the errors of single requests."""
_CANCELLED = 499
_DIGITS = 10
"""A count of requests with as many digits is none."""


class GeminiBatches(Batches):
    """``:batchGenerateContent`` and ``/v1beta/batches``. The own id of a batch is its display name.

    Args:
        transport: Leads to the server.
        model_path: Path of the model.
    """

    most_bytes: ClassVar[int] = 16 * 2**20
    """Requests within one object may have 20 MB in all."""
    list_path = "/v1beta/batches?pageSize=1"

    def __init__(self, transport: Transport, model_path: str) -> None:
        super().__init__(transport)
        self._model_path = model_path

    def send(self, own_id: str, items: Sequence[Item], prepared: str) -> str:  # noqa: ARG002 - nothing is to prepare
        """Send a batch; returns the server's name for it."""
        requests = [{"request": item.body, "metadata": {"key": item.name}} for item in items]
        batch = {"display_name": own_id, "input_config": {"requests": {"requests": requests}}}
        path = f"{self._model_path}:batchGenerateContent"
        return string(self._transport.post_json(path, {"batch": batch}, told_error=_none), "name")

    def find(self, own_id: str, items: int, since: datetime, others: Collection[str]) -> Found:  # noqa: ARG002
        """Look for a batch in the list of the server."""
        for operation in self._listed():
            if string(_told(operation), "displayName") == own_id:
                return Found(string(operation, "name"))
        return Found()

    def standing(self, name: str) -> Standing:
        """Return how far a batch is."""
        operation = self._operation(name)
        if _state(operation) != "FAILED":
            return Standing(_state(operation) in _OVER, answered=_answered(operation))
        return Standing(True, self.redact(string(operation, "error", "message")) or "it does not say why")

    def results(self, name: str, items: Sequence[str]) -> Results:
        """Return what came of the requests of a batch that is over."""
        operation = self._operation(name)
        answers = _answers(operation)
        if entry(operation, "response", "responsesFile"):
            raise AttemptFailed(f"{self.address}/v1beta/{name}: its results are in a file", retryable=False)
        if not answers and _state(operation) != _SUCCEEDED:
            why = f"the batch ended as {_state(operation).lower() or 'unknown'} before it was answered"
            return Results({item: Outcome(None, reason=why) for item in items})
        keys = [string(answer, "metadata", "key") for answer in answers]
        if not all(keys) or not answers:
            # Some answers come without the key that was sent; their order is that of the requests, if all are there.
            if len(answers) != len(items):
                told = f"{len(answers)} answers to {len(items)} requests, not all with their keys"
                raise AttemptFailed(f"{self.address}: {name} has {told}", retryable=True, status=200)
            keys = [key or item for key, item in zip(keys, items, strict=True)]
        return Results({key: self._outcome(answer) for key, answer in zip(keys, answers, strict=True)})

    def cancel(self, name: str) -> None:
        """Ask the server to stop."""
        self._transport.post_json(f"/v1beta/{quote(name)}:cancel", {})

    def _operation(self, name: str) -> Any:
        path = f"/v1beta/{quote(name)}"
        return self._transport.get_json(path, most_bytes=MOST_RESULT_BYTES, told_error=_none)

    def _listed(self) -> Iterator[dict[str, Any]]:
        token = ""
        for _ in range(MOST_PAGES):
            page = self._transport.get_json(f"/v1beta/batches?pageSize={PAGE}{token}", most_bytes=MOST_RESULT_BYTES)
            yield from entries(page, "operations")
            if not string(page, "nextPageToken"):
                return
            token = f"&pageToken={quote(string(page, 'nextPageToken'), safe='')}"

    def _outcome(self, answer: Any) -> Outcome:
        error = entry(answer, "error")
        if error is None:
            return Outcome(200, entry(answer, "response"))
        code = entry(error, "code")
        status = _STATUSES.get(code, code if isinstance(code, int) and 400 <= code < 600 else 500)
        if status == _CANCELLED:
            return Outcome(None, reason=self.redact(string(error, "message") or "it was cancelled"))
        return Outcome(status, {"error": error})


def _none(_operation: Any) -> None:
    """Return that an error in an operation is not one of the request that shows it."""


def _told(operation: Any) -> Any:
    """Return what an operation tells of its batch, or the batch itself if the server shows it without one."""
    return entry(operation, "metadata") or operation


def _state(operation: Any) -> str:
    """Return the state without what stands before it, as in ``BATCH_STATE_RUNNING`` and ``JOB_STATE_RUNNING``."""
    return string(_told(operation), "state").rpartition("STATE_")[2]


def _answered(operation: Any) -> int | None:
    """Return how many requests were answered; the protocol writes large integers as strings."""
    told = entry(_told(operation), "batchStats", "successfulRequestCount")
    return int(told) if isinstance(told, str | int) and str(told).isdecimal() and len(str(told)) < _DIGITS else None


def _answers(operation: Any) -> list[dict[str, Any]]:
    for place in (entry(operation, "response"), entry(_told(operation), "output")):
        for path in (("inlinedResponses", "inlinedResponses"), ("inlinedResponses",)):
            if found := entries(place, *path):
                return found
    return []
