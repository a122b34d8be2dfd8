"""The call store: what a run has asked and been told, so that no recorded reply is asked for again."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from r2po.llm.tokens import Counted, counted
from r2po.llm.types import AttemptFailed, Finish, Question, Reply
from r2po.llm.usage import Usage
from r2po.runlog.events import FILE, EventWriter, Failed, Replied, Requested, read_events
from r2po.runlog.jsonl import Appender, DamagedLog


def call_key(model: str, sampling: Mapping[str, Any], question: Question) -> str:
    """Return the address of a reply: a hash of model, sampling settings, prompt, sample and attempt number."""
    parts = [model, dict(sorted(sampling.items())), question.prompt, question.sample, question.attempt]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class RecordedReply:
    """A reply in the store, and what is known of its request."""

    key: str
    role: str
    reply: Reply
    refusal: str
    latency_s: float
    iteration: int
    counted: Counted | None
    """What the server counted of the prompt, if it says. The prompts of a long run are too much to keep."""


_Place = tuple[str, int]
"""Key of a reply, and the iteration that asked for it."""


class CallStore:
    """The calls of one run directory. Any number of threads may use it."""

    def __init__(self, run_directory: Path) -> None:
        self._lock = threading.Lock()  # a prompt is packed against the one before it
        self.path = run_directory / FILE
        self._under_way: dict[int, Question] = {}
        self._replies: dict[_Place, RecordedReply] = {}
        self.failures_by_role: Counter[str] = Counter()
        self.interrupted = 0
        """Calls that were under way when an earlier process ended and that have no reply yet."""
        self.lost = 0
        """Calls that were under way when an earlier process ended, even if asked again since: maybe paid for."""
        self.unanswered_s = 0.0
        """Seconds that earlier processes spent on calls without a reply, as far as the log shows."""
        self._log = self._take_up(self.path)

    def _take_up(self, path: Path) -> EventWriter:
        log = Appender(path)  # first: it notices what others append from now on
        try:
            return self._read(log, path)
        except BaseException:
            log.close()
            raise

    def _read(self, log: Appender, path: Path) -> EventWriter:
        calls, prompts = 0, dict[str, str]()
        under_way: dict[int, _Place] = {}
        unanswered: dict[int, tuple[datetime, datetime]] = {}
        for event in read_events(path):
            if isinstance(event, Requested):
                calls, prompts[event.role] = event.call, event.prompt
                under_way[calls], unanswered[calls] = (event.key, event.iteration), (event.at, event.at)
                continue
            call = event.request.call
            unanswered[call] = (event.request.at, event.at)
            if isinstance(event, Failed):
                self.failures_by_role[event.request.role] += 1
                continue
            place = under_way.pop(call)
            if isinstance(event, Replied):
                del unanswered[call]
                self._replies[place] = recorded_reply(event, path)
        self.lost = len(under_way)
        self.interrupted = len(set(under_way.values()) - set(self._replies))
        self.unanswered_s = sum(max(0.0, (last - first).total_seconds()) for first, last in unanswered.values())
        return EventWriter(log, calls, prompts)

    @property
    def sum(self) -> str:
        """Checksum of the log as it is."""
        with self._lock:
            return self._log.sum

    @property
    def failures(self) -> int:
        """Number of failed attempts."""
        return self.failures_by_role.total()

    @property
    def replies(self) -> list[RecordedReply]:
        """All replies, in the order they came."""
        with self._lock:
            return list(self._replies.values())

    def find(self, key: str, iteration: int) -> RecordedReply | None:
        """Return the recorded reply with this key: each iteration asks anew, even if its prompt is an earlier one's."""
        with self._lock:
            return self._replies.get((key, iteration))

    def request(self, key: str, question: Question) -> int:
        """Record that a question is about to be sent; returns the number of the call."""
        with self._lock:
            call = self._log.request(
                key=key,
                iteration=question.iteration,
                role=question.role,
                sample=question.sample,
                attempt=question.attempt,
                prompt=question.prompt,
            )
            self._under_way[call] = question
            return call

    def failure(self, call: int, attempt: int, failed: AttemptFailed) -> None:
        """Record that one attempt at sending a request failed."""
        with self._lock:
            self.failures_by_role[self._under_way[call].role] += 1
            self._log.failure(call, attempt=attempt, reason=failed.reason, status=failed.status)

    def gave_up(self, call: int) -> None:
        """Record that a request will not be sent again: the run stops."""
        with self._lock:
            del self._under_way[call]
            self._log.gave_up(call)

    def reply(self, call: int, key: str, reply: Reply, refusal: str, latency_s: float) -> RecordedReply:
        """Record a reply."""
        with self._lock:
            question = self._under_way.pop(call)
            place = (question.iteration, counted(question.prompt, reply.usage.prompt_tokens))
            recorded = RecordedReply(key, question.role, reply, refusal, round(latency_s, 6), *place)
            self._log.reply(
                call,
                text=reply.text,
                thinking=reply.thinking,
                finish=reply.finish,
                **({"finish_said": reply.finish_said} if reply.finish_said else {}),
                **({"cut": True} if reply.finish == "length" and not refusal else {}),
                refusal=refusal,
                usage=reply.usage.record,
                sent=dict(reply.sent),
                **({"served": dict(reply.served)} if reply.served else {}),
                latency_s=recorded.latency_s,
            )
            self._replies[key, question.iteration] = recorded
            return recorded

    def close(self) -> None:
        """Close the log."""
        self._log.close()


def recorded_reply(event: Replied, path: Path) -> RecordedReply:
    """Return the reply that an event of a log holds.

    Raises:
        DamagedLog: It counts tokens under unknown names.
    """
    request = event.request
    try:
        usage = Usage(**event.usage)
    except TypeError:
        raise DamagedLog(f"damaged log: {path}: call {request.call} has unknown counts of tokens") from None
    return RecordedReply(
        key=request.key,
        role=request.role,
        reply=Reply(event.text, event.thinking, cast("Finish", event.finish), usage, event.sent, served=event.served),
        refusal=event.refusal,
        latency_s=event.latency_s,
        iteration=request.iteration,
        counted=counted(request.prompt, usage.prompt_tokens),
    )
