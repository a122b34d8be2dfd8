"""The LLM calls of a run, read from its log."""

from __future__ import annotations

from dataclasses import dataclass, replace

from r2po.errors import InputError
from r2po.llm.store import FILE, with_prompts
from r2po.runlog.directory import RunDirectory
from r2po.runlog.jsonl import read_lines
from r2po.runlog.packing import unpack


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


def read_calls(directory: RunDirectory) -> list[Call]:
    """Read all calls of a run, in the order they were made.

    Raises:
        InputError: The log is missing or damaged.
    """
    calls: dict[int, Call] = {}
    try:
        for event, prompt in with_prompts(read_lines(directory.path / FILE)):
            if event["event"] == "request":
                place = (event["iteration"], event["role"], event["sample"], event["attempt"])
                calls[event["call"]] = Call(*place, prompt)
            elif event["event"] == "reply":
                reply, thinking = unpack(event["text"]), unpack(event["thinking"])
                answered = replace(calls[event["call"]], reply=reply, thinking=thinking, refusal=event["refusal"])
                calls[event["call"]] = answered
    except (ValueError, KeyError) as error:
        raise InputError(f"damaged log: {error}") from None
    if not calls:
        raise InputError(f"{directory.path} has no recorded calls")
    return list(calls.values())
