"""The call store: every request, failure and reply of a run, recorded before it is used.

``llm_calls.jsonl`` is a log of events. A request is written before it is sent, so that a kill during a call leaves a
trace; its reply is written before anyone sees it, so that it is never paid for again.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from r2po.errors import InputError
from r2po.llm.types import AttemptFailed, Question, Reply, Usage
from r2po.runlog.jsonl import Appender, read_lines
from r2po.runlog.packing import pack, pack_prompt, unpack, unpack_prompt

FILE = "llm_calls.jsonl"


def call_key(model: str, sampling: Mapping[str, Any], question: Question) -> str:
    """Return the address of a reply: a hash of model, sampling settings, prompt, sample and attempt number."""
    parts = [model, dict(sorted(sampling.items())), question.prompt, question.sample, question.attempt]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class RecordedReply:
    """A reply as it stands in the store, with what is known of its request."""

    key: str
    role: str
    reply: Reply
    refusal: str
    latency_s: float
    iteration: int
    prompt_chars: int


P = ParamSpec("P")
R = TypeVar("R")


def _one_at_a_time(method: Callable[Concatenate[CallStore, P], R]) -> Callable[Concatenate[CallStore, P], R]:
    """Let one thread at a time number, record and find calls: a prompt is packed against the one before it."""

    @wraps(method)
    def locked(store: CallStore, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with store.lock:
            return method(store, *args, **kwargs)

    return locked


class CallStore:
    """The calls of one run directory. Any number of threads may use it."""

    def __init__(self, run_directory: Path) -> None:
        self.lock = threading.Lock()
        self.path = path = run_directory / FILE
        self._calls = 0
        self._prompts: dict[str, str] = {}
        self._requests: dict[int, dict[str, Any]] = {}
        self._replies: dict[str, RecordedReply] = {}
        self.failures_by_role: Counter[str] = Counter()
        self.interrupted = 0
        """Calls that were under way when an earlier process ended and that have no reply yet."""
        self.lost = 0
        """Calls that were under way when an earlier process ended, also those asked again since: perhaps paid for."""
        self.unanswered_s = 0.0
        """Seconds that earlier processes spent on calls without a reply, as far as the log shows."""
        try:
            self._take_up(read_lines(path))
        except ValueError as error:
            raise InputError(f"damaged log: {error}") from None
        except (KeyError, TypeError):
            raise InputError(f"damaged log: {path}: an event lacks what belongs to it") from None
        self._log = Appender(path)

    def _take_up(self, events: list[dict[str, Any]]) -> None:
        under_way: dict[int, dict[str, Any]] = {}
        latest: dict[int, str] = {}
        for event, prompt in with_prompts(events):
            call = event["call"]
            if event["event"] == "request":
                self._requests[call] = under_way[call] = {key: event[key] for key in event if key != "prompt"}
                self._prompts[event["role"]] = prompt
                self._calls = call
            elif event["event"] == "failure":
                self.failures_by_role[self._requests[call]["role"]] += 1
            elif event["event"] == "reply":
                request = under_way.pop(call)
                del latest[call]
                self._replies[request["key"]] = recorded_reply(request, event)
                continue
            elif event["event"] == "gave_up":
                del under_way[call]
            latest[call] = event["at"]
        self.lost = len(under_way)
        self.interrupted = len({request["key"] for request in under_way.values()} - set(self._replies))
        self.unanswered_s = sum(_seconds(self._requests[call]["at"], at) for call, at in latest.items())

    @property
    def failures(self) -> int:
        """Number of failed attempts."""
        return self.failures_by_role.total()

    @property
    @_one_at_a_time
    def replies(self) -> list[RecordedReply]:
        """All replies, in the order they came."""
        return list(self._replies.values())

    @_one_at_a_time
    def find(self, key: str) -> RecordedReply | None:
        """Return the recorded reply with this key."""
        return self._replies.get(key)

    @_one_at_a_time
    def request(self, key: str, question: Question) -> int:
        """Record that a question is about to be sent; returns the number of the call."""
        self._calls += 1
        before = self._prompts.get(question.role, "")
        self._prompts[question.role] = question.prompt
        request = {
            "key": key,
            "iteration": question.iteration,
            "role": question.role,
            "sample": question.sample,
            "attempt": question.attempt,
            "prompt_sha256": _digest(question.prompt),
            "prompt_chars": len(question.prompt),
        }
        self._requests[self._calls] = request
        # Its reply is synced, and this with it: until then, only a power cut can make it unknown.
        self._append("request", self._calls, sync=False, **request, prompt=pack_prompt(question.prompt, before))
        return self._calls

    @_one_at_a_time
    def failure(self, call: int, attempt: int, failed: AttemptFailed) -> None:
        """Record that one attempt at sending a request failed."""
        self.failures_by_role[self._requests[call]["role"]] += 1
        self._append("failure", call, attempt=attempt, reason=failed.reason, status=failed.status)

    @_one_at_a_time
    def gave_up(self, call: int) -> None:
        """Record that a request will not be sent again: the run stops."""
        self._append("gave_up", call)

    @_one_at_a_time
    def reply(self, call: int, key: str, role: str, reply: Reply, refusal: str, latency_s: float) -> RecordedReply:
        """Record a reply."""
        request = self._requests[call]
        recorded = RecordedReply(
            key, role, reply, refusal, round(latency_s, 6), request["iteration"], request["prompt_chars"]
        )
        self._append(
            "reply",
            call,
            text=pack(reply.text),
            thinking=pack(reply.thinking),
            finish=reply.finish,
            refusal=refusal,
            usage=asdict(reply.usage),
            sent=dict(reply.sent),
            latency_s=recorded.latency_s,
        )
        self._replies[key] = recorded
        return recorded

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _append(self, event: str, call: int, *, sync: bool = True, **fields: Any) -> None:
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._log.append({"event": event, "call": call, **fields, "at": at}, sync=sync)


def with_prompts(events: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Go through the events of a log in order, each request with its whole prompt (other events with an empty text).

    Raises:
        ValueError: A prompt does not have the hash that was recorded with it.
    """
    prompts: dict[str, str] = {}
    for event in events:
        prompt = ""
        if event["event"] == "request":
            try:
                prompt = unpack_prompt(event["prompt"], prompts.get(event["role"], ""))
            except ValueError as error:
                raise ValueError(f"{FILE}: call {event['call']}: {error}") from None
            if _digest(prompt) != event["prompt_sha256"]:
                raise ValueError(f"{FILE}: the prompt of call {event['call']} is damaged")
            prompts[event["role"]] = prompt
        yield event, prompt


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _seconds(earlier: str, later: str) -> float:
    return max(0.0, (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds())


def recorded_reply(request: Mapping[str, Any], event: Mapping[str, Any]) -> RecordedReply:
    """Return the reply that a request's event and its reply's event stand for."""
    return RecordedReply(
        key=request["key"],
        role=request["role"],
        reply=Reply(
            unpack(event["text"]), unpack(event["thinking"]), event["finish"], Usage(**event["usage"]), event["sent"]
        ),
        refusal=event["refusal"],
        latency_s=event["latency_s"],
        iteration=request["iteration"],
        prompt_chars=request["prompt_chars"],
    )
