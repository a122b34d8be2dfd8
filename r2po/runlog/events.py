"""``llm_calls.jsonl``: every request, failure and reply of a run, as a log of events. Its one writer, its one reader.

docs/run-log.md explains every field.

A request is written before it is sent, so that a kill during a call leaves a trace; its reply is written before anyone
sees it, so that it is never paid for again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.runlog.jsonl import Appender, DamagedLog, iterate_lines
from r2po.runlog.packing import pack, pack_prompt, unpack, unpack_prompt

FILE = "llm_calls.jsonl"
_LONGEST_VALUE = 40


@dataclass(frozen=True)
class Requested:
    """A request that is about to be sent."""

    call: int
    at: datetime
    key: str
    iteration: int
    role: str
    sample: int
    attempt: int
    prompt_chars: int
    prompt: str


@dataclass(frozen=True)
class Failed:
    """An attempt at sending a request failed."""

    request: Requested
    at: datetime


@dataclass(frozen=True)
class GaveUp:
    """A request will not be sent again: the run stopped."""

    request: Requested
    at: datetime


@dataclass(frozen=True)
class Replied:
    """A reply."""

    request: Requested
    at: datetime
    text: str
    thinking: str
    finish: str
    refusal: str
    usage: Mapping[str, Any]
    sent: Mapping[str, Any]
    latency_s: float
    served: Mapping[str, str]


Event = Requested | Failed | GaveUp | Replied


def read_events(path: Path, *, texts: bool = True) -> Iterator[Event]:
    """Read a log event by event, in the order in which they were written; none if there is no such file.

    Without ``texts``, those of prompts and replies are empty and not checked, which saves most of the time.

    Raises:
        DamagedLog: A line is not an event or lacks a field, or a prompt does not have the hash recorded with it.
    """
    under_way: dict[int, Requested] = {}
    before: dict[str, str] = {}
    calls = 0
    for number, event in enumerate(iterate_lines(path), 1):
        try:
            read = _read(event, calls, under_way, before, texts)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            told = error if isinstance(error, ValueError) else "a field is missing, or of another kind"
            raise DamagedLog(f"damaged log: {path}, line {number}: {told}") from None
        calls += isinstance(read, Requested)
        yield read


def _read(
    event: Mapping[str, Any], calls: int, under_way: dict[int, Requested], before: dict[str, str], texts: bool
) -> Event:
    """Return an event, given the number of calls before it, those under way, and the last prompt of each role."""
    call, at, kind = event["call"], at_utc(event["at"]), event["event"]
    if kind == "request":
        if call != calls + 1:
            raise ValueError(f"call is {call}; expected {calls + 1}")
        under_way[call] = _request(event, at, before, texts)
        return under_way[call]
    if kind not in ("failure", "gave_up", "reply"):
        raise ValueError(f"call {call} has an unknown event {kind!r}")
    if call not in under_way:
        raise ValueError(f"call {call} has a {kind.replace('_', ' ')}, but is not under way")
    if kind == "failure":
        return Failed(under_way[call], at)
    request = under_way.pop(call)
    if kind == "gave_up":
        return GaveUp(request, at)
    said: dict[str, Any] = {name: unpack(event[name]) if texts else "" for name in ("text", "thinking")}
    return Replied(request, at, **said, usage=_usage(event), **_fields(event, _REPLY), served=_served(event))


def _request(event: Mapping[str, Any], at: datetime, before: dict[str, str], texts: bool) -> Requested:
    call, prompt, fields = event["call"], "", _fields(event, _REQUEST)
    if texts:
        role = fields["role"]
        prompt = before[role] = unpack_prompt(event["prompt"], before.get(role, ""))
        if _digest(prompt) != event["prompt_sha256"]:
            raise ValueError(f"the prompt of call {call} is damaged")
    return Requested(call, at, prompt=prompt, **fields)


_REQUEST = {"key": str, "iteration": int, "role": str, "sample": int, "attempt": int, "prompt_chars": int}
_REPLY = {"finish": str, "refusal": str, "sent": dict, "latency_s": (int, float)}


def _fields(event: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of these types."""
    for name, kind in kinds.items():
        if not isinstance(event[name], kind):
            raise ValueError(f"call {event['call']}: {name} is {_shown(event[name])}")  # noqa: TRY004
    return {name: event[name] for name in kinds}


_SHARES = ("price_share", "cached_price_share")


def _usage(event: Mapping[str, Any]) -> Mapping[str, Any]:
    usage: Mapping[str, Any] = event["usage"]
    for name, count in usage.items():
        if type(count) not in (int, type(None)) and not (name in _SHARES and type(count) is float):
            raise ValueError(f"call {event['call']}: {name} is {_shown(count)}")
    return usage


def _served(event: Mapping[str, Any]) -> Mapping[str, str]:
    served: Mapping[str, str] = event.get("served", {})
    if not isinstance(served, dict) or not all(isinstance(text, str) for text in served.values()):
        raise ValueError(f"call {event['call']}: served is {_shown(served)}")
    return served


def at_utc(text: str) -> datetime:
    """Return a time of day of a log."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=timezone.utc)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


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
    key: str = ""


def iterate_calls(run: Path) -> Iterator[Call]:
    """Read the calls of a run directory one by one: each where it ended, then those without an end.

    Prompts repeat each other. Those of a long run take hundreds of megabytes, so keep only what you need.

    Raises:
        InputError: The log is missing or damaged.
    """
    none = True
    under_way: dict[int, Call] = {}
    for event in read_events(run / FILE):
        none = False
        if isinstance(event, Requested):
            asked = Call(event.iteration, event.role, event.sample, event.attempt, event.prompt, key=event.key)
            under_way[event.call] = asked
        elif isinstance(event, Replied):
            asked = under_way.pop(event.request.call)
            yield replace(asked, reply=event.text, thinking=event.thinking, refusal=event.refusal)
        elif isinstance(event, GaveUp):
            yield under_way.pop(event.request.call)
    if none:
        raise InputError(f"{run} has no recorded calls")
    yield from under_way.values()


def read_calls(run: Path) -> list[Call]:
    """Read all calls of a run directory, in the order in which they ended.

    Raises:
        InputError: The log is missing or damaged.
    """
    return list(iterate_calls(run))


class EventWriter:
    """Writes events, given the number of the last call that the log holds and the last prompt of each role."""

    def __init__(self, log: Appender, calls: int, prompts: Mapping[str, str]) -> None:
        self._log = log
        self._calls = calls
        self._prompts = dict(prompts)

    @property
    def sum(self) -> str:
        """Checksum of the log as it is."""
        return self._log.sum

    def request(self, *, key: str, iteration: int, role: str, sample: int, attempt: int, prompt: str) -> int:
        """Write that a request is about to be sent; returns the number of the call."""
        self._calls += 1
        before = self._prompts.get(role, "")
        self._prompts[role] = prompt
        request = {"key": key, "iteration": iteration, "role": role, "sample": sample, "attempt": attempt}
        about = {"prompt_sha256": _digest(prompt), "prompt_chars": len(prompt), "prompt": pack_prompt(prompt, before)}
        # Syncing the reply syncs this too: until then, only a power cut can lose it.
        self._append("request", self._calls, sync=False, **request, **about)
        return self._calls

    def failure(self, call: int, *, attempt: int, reason: str, status: int | None) -> None:
        """Write that an attempt at sending a request failed."""
        self._append("failure", call, attempt=attempt, reason=reason, status=status)

    def gave_up(self, call: int) -> None:
        """Write that a request will not be sent again."""
        self._append("gave_up", call)

    def reply(self, call: int, *, text: str, thinking: str, **fields: Any) -> None:
        """Write a reply; ``fields`` are those of ``Replied`` that follow its time, in the order of docs/run-log.md."""
        self._append("reply", call, text=pack(text), thinking=pack(thinking), **fields)

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _append(self, event: str, call: int, *, sync: bool = True, **fields: Any) -> None:
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._log.append({"event": event, "call": call, **fields, "at": at}, sync=sync)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
