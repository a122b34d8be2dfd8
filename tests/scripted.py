"""A provider that plays a script, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from r2po.llm.types import AttemptFailed, Provider, Reply, Request


def make_request(
    prompt: str, sampling: Mapping[str, Any] | None = None, *, schema: Mapping[str, Any] | None = None, **others: Any
) -> Request:
    """Return a request with a prompt, e.g. for the second ``sample``."""
    place = {"iteration": 0, "role": "search", "sample": 0, "attempt": 1, **others}
    return Request(prompt=prompt, schema=schema, sampling=sampling or {}, **place)


class Scripted(Provider):
    """Answers each request with the next item of a script: a text, a reply, or a failure to raise."""

    is_stand_in = True

    def __init__(self, script: Iterable[str | Reply | AttemptFailed]) -> None:
        self.script = list(script)
        self.requests: list[Request] = []

    @property
    def prompts(self) -> list[str]:
        """What it was asked, in order."""
        return [request.prompt for request in self.requests]

    def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        assert self.script, f"not expected: {request.prompt[-300:]}"
        item = self.script.pop(0)
        if isinstance(item, AttemptFailed):
            raise item
        return Reply(item) if isinstance(item, str) else item

    def assert_played_out(self) -> None:
        """Every reply of the script was asked for."""
        assert not self.script, f"{len(self.script)} replies were never asked for"
