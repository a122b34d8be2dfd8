"""The LLM calls of a run, read from its log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from r2po.errors import InputError
from r2po.runlog.events import FILE, Replied, Requested, read_events


@dataclass(frozen=True)
class Call:
    """One attempt at an ask; ``reply`` is None if it was never answered."""

    iteration: int
    role: str
    sample: int
    attempt: int
    prompt: str
    reply: str | None = None
    thinking: str = ""
    refusal: str = ""


def read_calls(run: Path) -> list[Call]:
    """Read all calls of a run directory, in the order they were made.

    Raises:
        InputError: The log is missing or damaged.
    """
    calls: dict[int, Call] = {}
    for event in read_events(run / FILE):
        if isinstance(event, Requested):
            calls[event.call] = Call(event.iteration, event.role, event.sample, event.attempt, event.prompt)
        elif isinstance(event, Replied):
            call = event.request.call
            calls[call] = replace(calls[call], reply=event.text, thinking=event.thinking, refusal=event.refusal)
    if not calls:
        raise InputError(f"{run} has no recorded calls")
    return list(calls.values())
