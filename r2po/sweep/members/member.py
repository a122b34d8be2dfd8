"""What a process that works on a sweep tells the others, in a file of its own."""

from __future__ import annotations

import json
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from r2po.llm.ledger import Amount

SCHEMA_VERSION = 1
_SETS = ("held", "elsewhere", "again")


@dataclass(frozen=True)
class Pace:
    """What a process knows of a server.

    Attributes:
        rate: The calls per second that it keeps to; None if no call was refused.
        closed_s: Seconds for which the server wants no calls, from when the file was written.
    """

    rate: float | None = None
    closed_s: float = 0.0


@dataclass
class Member:
    """What the file of a process says. Runs are called as in the manifest.

    Attributes:
        id: Name of the file, without its ending.
        host: Its machine, for people.
        machine: Its machine, for comparisons: processes of the same one see each other's numbers.
        started: When it began.
        worker: Whether it goes on until the work of all is done.
        counted: Whether it says what its runs use; without caps it does not know.
        beat: How often it has written its file.
        over: Whether it has ended.
        held: The runs that it makes now.
        used: What its runs have used in all, those included that it made earlier.
        aside: What the calls that are under way may use, by run.
        failed: Why runs failed.
        elsewhere: Those of them that failed for a reason that may be one of this process only.
        again: Runs that failed and are made once more, by whoever comes to them.
        hungry: Whether it would make more runs, but the others have all.
        unlocked: Whether it grants calls without a lock, and tells of each before: the others must do so too.
        paces: What it knows of servers.
    """

    id: str
    host: str
    pid: int
    machine: str
    started: str
    worker: bool = False
    counted: bool = False
    beat: int = 0
    over: bool = False
    held: set[str] = field(default_factory=set)
    used: dict[str, Amount] = field(default_factory=dict)
    aside: dict[str, Amount] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    again: set[str] = field(default_factory=set)
    hungry: bool = False
    unlocked: bool = False
    paces: dict[str, Pace] = field(default_factory=dict)

    @classmethod
    def of_this_process(cls, *, worker: bool, counted: bool) -> Member:
        """Return what the file of this process says at first."""
        host, pid = socket.gethostname(), os.getpid()
        started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        name = f"{''.join(each if each.isalnum() else '-' for each in host)}-{pid}-{secrets.token_hex(4)}"
        return cls(name, host, pid, machine_of(host), started, worker, counted)

    def as_json(self) -> bytes:
        """Return the content of its file."""
        content = {"schema": SCHEMA_VERSION, **vars(self)}
        content |= {key: sorted(content[key]) for key in _SETS}
        for key in ("used", "aside"):
            content[key] = {run: list(vars(amount).values()) for run, amount in content[key].items()}
        content["paces"] = {server: vars(pace) for server, pace in self.paces.items()}
        return json.dumps(content, ensure_ascii=False).encode(errors="backslashreplace")


class NewerSchema(ValueError):
    """A newer version of r2po wrote the file."""


def read_member(data: bytes) -> Member:
    """Return what a file says.

    Raises:
        NewerSchema: A newer version wrote it.
        ValueError: It is not what this version writes.
    """
    try:
        content: dict[str, Any] = json.loads(data)
        schema = content.pop("schema")
        if schema > SCHEMA_VERSION:
            raise NewerSchema(f"it has schema {schema}; this version of r2po reads up to {SCHEMA_VERSION}")
        for key in _SETS:
            content[key] = set(content[key])
        for key in ("used", "aside"):
            content[key] = {run: Amount(*amount) for run, amount in content[key].items()}
        content["paces"] = {server: Pace(**pace) for server, pace in content["paces"].items()}
        return Member(**content)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None


def machine_of(host: str) -> str:
    """Return what tells machines apart, and containers on them: their processes have numbers of their own."""
    parts = [host]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)
