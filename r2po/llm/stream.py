"""Replies that come in pieces, as server-sent events, put together again.

Some servers notice that nobody waits for a reply any more only when they send the next piece of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

CONTENT_TYPE = "text/event-stream"
_DONE = "[DONE]"


def assembled(body: bytes) -> bytes | None:
    """Return a stream of OpenAI's protocol as the JSON of the whole answer; None if it broke off or is something else.

    An error in the stream takes the place of the answer.
    """
    pieces = list(_pieces(body))
    error = next((piece for piece in pieces if isinstance(piece, dict) and "error" in piece), None)
    if error is not None:
        return json.dumps(error).encode()
    if not pieces or pieces[-1] != _DONE or not all(isinstance(piece, dict) for piece in pieces[:-1]):
        return None
    texts: dict[str, list[str]] = {}
    whole: dict[str, Any] = {}
    finish_reason = None
    for piece in pieces[:-1]:
        choice: dict[str, Any] = next(iter(piece.get("choices") or [{}]), {})
        for name, text in (choice.get("delta") or {}).items():
            if isinstance(text, str):
                texts.setdefault(name, []).append(text)
        finish_reason = choice.get("finish_reason") or finish_reason
        whole |= {key: value for key, value in piece.items() if value is not None}
    message = {name: "".join(parts) for name, parts in texts.items()}
    return json.dumps({**whole, "choices": [{"message": message, "finish_reason": finish_reason}]}).encode()


def _pieces(body: bytes) -> Iterator[Any]:
    """Yield the data of each event, and the mark of the end as it is; None for what is no JSON."""
    for line in body.decode("utf-8", "replace").split("\n"):
        name, _, data = line.strip().partition(":")
        if name in ("data", "error"):
            if data.strip() == _DONE:
                yield _DONE
                continue
            try:
                value = json.loads(data)
            except (ValueError, RecursionError):
                yield None
            else:
                yield {"error": value} if name == "error" else value
