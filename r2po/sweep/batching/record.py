"""A batch on disk: whatever is killed at whatever moment, it says what may have been sent and paid for.

The folder of a batch bears its own id. Before anything is sent, it holds which calls it is made of (``calls.jsonl``)
and their requests (``requests.jsonl``); ``state.json`` says how far it is, and is written before and after each step.
``results.jsonl`` holds what was fetched. The requests are deleted then.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

from r2po.errors import InputError
from r2po.llm.providers.batches.batches import Item, Outcome
from r2po.runlog.batched import CALLS, OUT, SENT, STATE
from r2po.runlog.jsonl import dump, write_atomically, write_json

WRITTEN, FETCHED, REFUSED, DROPPED = "written", "fetched", "refused", "dropped"
"""How far a batch is, beside ``SENDING`` and ``SENT``; with ``SENDING``, nobody knows whether the server has it."""
SCHEMA_VERSION = 1
_REQUESTS, _RESULTS = "requests.jsonl", "results.jsonl"
_KEPT = ("server", "model", "items", "state", "prepared", "name", "sending_at", "sent_at", "fetched_at", "problem")


@dataclass(frozen=True)
class Identity:
    """A call, whichever process makes it: a run by its name in the sweep, the iteration, and the reply's address."""

    run: str
    iteration: int
    address: str


@dataclass
class BatchRecord:
    """A batch, as its folder says.

    Attributes:
        folder: Where it is.
        server: Address of the server.
        model: The model that is asked.
        calls: The calls, in order; the requests are numbered likewise.
        state: How far it is.
        prepared: What the server needs to be told when it is sent.
        name: The server's name for it, once that is known.
        sending_at: When it was sent at the earliest.
        sent_at: When the server had it.
        fetched_at: When its results were here.
        problem: Why the server did not accept it.
    """

    folder: Path
    server: str
    model: str
    calls: Sequence[Identity]
    state: str = WRITTEN
    prepared: str = ""
    name: str = ""
    sending_at: str = ""
    sent_at: str = ""
    fetched_at: str = ""
    problem: str = ""
    _outcomes: dict[str, Outcome] | None = field(default=None, repr=False)

    @classmethod
    def write(cls, folder: Path, server: str, model: str, calls: Sequence[tuple[Identity, Any]]) -> BatchRecord:
        """Write a new batch of calls and the bodies of their requests into a folder of batches."""
        own = folder / f"r2po-{uuid4().hex[:16]}"
        own.mkdir(parents=True)
        record = cls(own, server, model, [call for call, _ in calls])
        write_atomically(own / CALLS, _lines(vars(call) for call in record.calls))
        bodies = ({"name": record.item(place), "body": body} for place, (_, body) in enumerate(calls))
        write_atomically(own / _REQUESTS, _lines(bodies))
        record.save()
        _sync(own)
        _sync(folder)
        return record

    @classmethod
    def read(cls, folder: Path) -> BatchRecord | None:
        """Read a batch; None if it was killed before it was complete, and nothing was sent.

        Raises:
            InputError: It is damaged.
        """
        path = folder / STATE
        if not path.exists():
            return None
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            calls = [Identity(**each) for each in _read_lines(folder / CALLS)]
            record = cls(folder, calls=calls, **{key: told[key] for key in _KEPT if key != "items"})
            schema, items = int(told["schema"]), int(told["items"])
            record.check()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{folder} is damaged ({error or type(error).__name__}): nothing more is sent before it is put right, "
                "since it says what was paid for; put back a copy, or delete it to send its calls again"
            ) from None
        if schema > SCHEMA_VERSION:
            raise InputError(f"{path} has schema {schema}; this version of r2po reads up to {SCHEMA_VERSION}")
        if items != len(calls):
            raise InputError(f"{folder} is damaged: {STATE} says {items} calls, and {CALLS} has {len(calls)}")
        return record

    @property
    def own_id(self) -> str:
        """Its own id, which the server is told."""
        return self.folder.name

    @property
    def is_out(self) -> bool:
        """Whether something may still come of it; one that is written is about to be sent."""
        return self.state in (WRITTEN, *OUT)

    @property
    def since(self) -> datetime:
        """When it was sent at the earliest."""
        return datetime.fromisoformat(self.sending_at)

    def check(self) -> None:
        """Raise a ValueError or a TypeError if something that was read cannot be."""
        if self.state not in (WRITTEN, *OUT, FETCHED, REFUSED, DROPPED):
            raise ValueError(f"its state is {self.state!r}")
        if self.state == SENT and not self.name:
            raise ValueError("it was sent, and its name is missing")
        if self.state in OUT:
            datetime.fromisoformat(self.sending_at)

    def item(self, place: int) -> str:
        """Return the name of a request in the batch."""
        return f"{self.own_id}-{place}"

    def items(self) -> list[Item]:
        """Return the requests, as long as it has not been fetched."""
        return [Item(line["name"], line["body"]) for line in _read_lines(self.folder / _REQUESTS)]

    def names(self) -> list[str]:
        """Return the names of the requests, in order."""
        return [self.item(place) for place in range(len(self.calls))]

    def advance(self, state: str, **told: str) -> None:
        """Write down that it has come further, and anything else that is known now."""
        for key, value in told.items():
            setattr(self, key, value)
        self.state = state  # last: other threads go by it
        self.save()

    def save(self) -> None:
        """Write its state, whole or not at all."""
        told = {key: len(self.calls) if key == "items" else getattr(self, key) for key in _KEPT}
        write_json(self.folder / STATE, {"schema": SCHEMA_VERSION, **told})
        _sync(self.folder)

    def fetched(self, outcomes: dict[str, Outcome]) -> None:
        """Write down what came of it; the requests are not needed any more."""
        lines = ({"name": name, **vars(outcome)} for name, outcome in outcomes.items())
        write_atomically(self.folder / _RESULTS, _lines(lines))
        self.advance(FETCHED, fetched_at=now())
        (self.folder / _REQUESTS).unlink(missing_ok=True)
        self._outcomes = outcomes

    def release(self) -> None:
        """Keep its results on disk only."""
        self._outcomes = None

    def outcome(self, place: int) -> Outcome:
        """Return what came of a call of a batch that was fetched.

        Raises:
            InputError: Its results are damaged.
        """
        if self._outcomes is None:
            self._outcomes = self._read_outcomes()
        missing = Outcome(None, reason="the results of the batch do not mention it")
        return self._outcomes.get(self.item(place), missing)

    def _read_outcomes(self) -> dict[str, Outcome]:
        path = self.folder / _RESULTS
        try:
            lines = [dict(line) for line in _read_lines(path)]
            return {line.pop("name"): Outcome(**line) for line in lines}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is damaged ({error or type(error).__name__}); put back a copy, or delete {self.folder} to "
                "send its calls again"
            ) from None


def read_all(folder: Path) -> list[BatchRecord]:
    """Return the batches in a folder, in the order in which they were sent.

    Raises:
        InputError: One is damaged.
    """
    found = [BatchRecord.read(each) for each in sorted(folder.glob("r2po-*"))]
    return sorted((each for each in found if each is not None), key=lambda each: each.sending_at)


def check_none_out(folder: Path) -> None:
    """Refuse to make calls by themselves as long as batches have them.

    Raises:
        InputError: Some are under way, or one is damaged.
    """
    out = [record for record in read_all(folder) if record.state in OUT]
    if out:
        calls = sum(len(record.calls) for record in out)
        raise InputError(
            f"{len(out)} batch(es) of {calls} calls are under way, or may be: add --batch, which fetches their "
            f"answers; without it they would be paid twice (to give them up: delete {folder})"
        )


def unfinished(out: Sequence[BatchRecord]) -> str:
    """Return what a stopped sweep says of the batches that servers go on with; empty if there are none."""
    if not out:
        return ""
    noun, go = ("batch", "goes") if len(out) == 1 else ("batches", "go")
    calls, servers = sum(len(record.calls) for record in out), ", ".join(sorted({record.server for record in out}))
    return (
        f"; {len(out)} {noun} of {calls} calls {go} on at {servers}: what continues the sweep fetches the answers, and "
        "with --cancel-batches cancels them"
    )


def now() -> str:
    """Return the time of day, as it is written down."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _lines(values: Any) -> bytes:
    return "".join(f"{dump(value)}\n" for value in values).encode("utf-8", "surrogatepass")


def _read_lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8", errors="surrogatepass") as file:
        for line in file:
            yield json.loads(line)


def _sync(folder: Path) -> None:
    """Make sure that the names in a folder survive a power cut, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
