"""OpenAI's batches: a file of requests is uploaded, and results are files too.

Where this was read is in docs/batches.md.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from r2po.llm.providers.batches.batches import (
    MOST_RESULT_BYTES,
    Batches,
    Found,
    Item,
    Outcome,
    Results,
    Standing,
    listed,
)
from r2po.llm.providers.payload import count, entries, entry, string
from r2po.llm.types import AttemptFailed

ENDPOINT = "/v1/chat/completions"
"""What the requests ask, under its full path at OpenAI whatever the base URL."""
OWN_ID = "r2po_batch"
_COMPLETED = "completed"
_OVER = frozenset({_COMPLETED, "expired", "cancelled"})


class OpenAIBatches(Batches):
    """``/batches`` and ``/files``. The own id of a batch is in its metadata."""

    list_path = "/batches?limit=1"

    def prepare(self, own_id: str, items: Sequence[Item]) -> str:
        """Upload the requests; returns the id of the file."""
        lines = [
            json.dumps({"custom_id": item.name, "method": "POST", "url": ENDPOINT, "body": item.body}) for item in items
        ]
        content = "".join(f"{line}\n" for line in lines).encode()
        file = string(self._transport.post_file("/files", f"{own_id}.jsonl", content, {"purpose": "batch"}), "id")
        if not file:
            raise AttemptFailed(f"{self.address}/files: the answer names no file", retryable=True)
        return file

    def send(self, own_id: str, items: Sequence[Item], prepared: str) -> str:  # noqa: ARG002 - they are uploaded
        """Send a batch; returns the server's name for it."""
        body = {
            "input_file_id": prepared,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {OWN_ID: own_id},
        }
        return string(self._transport.post_json("/batches", body), "id")

    def find(self, own_id: str, items: int, since: datetime, others: Collection[str]) -> Found:  # noqa: ARG002
        """Look for a batch in the list of the server."""
        mine = (batch for batch in self._listed() if string(batch, "metadata", OWN_ID) == own_id)
        return Found(string(next(mine, None), "id"))

    def standing(self, name: str) -> Standing:
        """Return how far a batch is."""
        batch = self._batch(name)
        status = string(batch, "status")
        if status != "failed":
            return Standing(status in _OVER, answered=count(batch, "request_counts", "completed"))
        told = [string(error, "message") for error in entries(batch, "errors", "data")]
        reasons = list(dict.fromkeys(filter(None, told)))
        return Standing(True, self.redact("; ".join(reasons)) or "it does not say why")

    def results(self, name: str, items: Sequence[str]) -> Results:  # noqa: ARG002 - the files name them
        """Return what came of the requests of a batch that is over."""
        batch = self._batch(name)
        files = [file for key in ("output_file_id", "error_file_id") if (file := string(batch, key))]
        if not files and string(batch, "status") == _COMPLETED:
            raise AttemptFailed(
                f"{self.address}: {name} is completed and names no file of results", retryable=True, status=200
            )
        read = [self._lines(file) for file in files]
        outcomes = {string(line, "custom_id"): self._outcome(line) for lines, _ in read for line in lines}
        return Results(outcomes, sum(unreadable for _, unreadable in read))

    def cancel(self, name: str) -> None:
        """Ask the server to stop."""
        self._transport.post_json(f"/batches/{_quoted(name)}/cancel", {})

    def discard(self, prepared: str) -> None:
        """Delete the file of requests; those of the results stay, since another process may read them."""
        if prepared:
            self._transport.delete(f"/files/{_quoted(prepared)}")

    def _lines(self, file: str) -> tuple[list[Any], int]:
        return self._transport.get_lines(f"/files/{_quoted(file)}/content", most_bytes=MOST_RESULT_BYTES)

    def _batch(self, name: str) -> Any:
        return self._transport.get_json(f"/batches/{_quoted(name)}")

    def _listed(self) -> Iterator[dict[str, Any]]:
        return listed(self._transport, "/batches", "after")

    def _outcome(self, line: Any) -> Outcome:
        status = entry(line, "response", "status_code")
        if isinstance(status, int) and status:
            return Outcome(status, entry(line, "response", "body"))
        told = string(line, "error", "message") or string(line, "error", "code") or "the batch does not say why"
        return Outcome(None, reason=self.redact(told))


def _quoted(name: str) -> str:
    return quote(name, safe="")
