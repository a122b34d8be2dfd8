"""What people ask of a sweep while it is at work: to pause, to stop, to keep other limits.

A file of the sweep's folder says it. Commands write it, on any machine that sees the folder. Each process that works on
the sweep reads it twice a second, and answers in a file of its own. No clocks are compared, and nothing depends on
locks but the commands' own order.
"""

from __future__ import annotations

import json
import secrets
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.installation import NAME
from r2po.llm.ledger import Caps
from r2po.runlog.jsonl import write_atomically
from r2po.runlog.lock import Lock, take_lock
from r2po.sweep.own_file import own_path, remove_those_of_the_dead

FILE = "control.json"
SCHEMA_VERSION = 1
CAPS = ("max_llm_calls", "max_tokens", "max_cost")
LIMITS = ("jobs", *CAPS)
LOOK_S = 0.5
"""How often a process reads the file."""
PATIENCE_S = 5.0
"""How long a command waits for another one that is writing."""
_ANSWERS = "control-answer"


@dataclass(frozen=True)
class Orders:
    """What is asked of a sweep.

    Attributes:
        revision: Names this state of the file; empty if there is none.
        paused: When the sweep was paused; empty if it is not.
        stop: Names the last request to stop. It is for the processes that were at work then: whoever starts later knows
            it already.
        jobs: Largest number of runs under way; None for what the command of the sweep says, as with the caps.
        max_llm_calls: Cap on the calls of all runs together.
        max_tokens: Cap on their tokens.
        max_cost: Cap on the money.
    """

    revision: str = ""
    paused: str = ""
    stop: str = ""
    jobs: int | None = None
    max_llm_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None

    @property
    def limits(self) -> dict[str, int | float]:
        """The limits that are set."""
        return {name: value for name in LIMITS if (value := getattr(self, name)) is not None}

    def caps(self, given: Caps) -> Caps:
        """Return caps with those that are set in the place of the given ones."""
        changed: dict[str, Any] = {name: value for name, value in self.limits.items() if name in CAPS}
        return replace(given, **changed)


@dataclass(frozen=True)
class Answer:
    """What a process that works on a sweep says to what is asked.

    Attributes:
        revision: The state of the file that it has read.
        calls: Calls under way.
        runs: Runs under way.
        too_many: Runs of these that are given back at their next call.
        refused: Why it cannot do what is asked; empty if it can.
    """

    revision: str
    calls: int
    runs: int
    too_many: int = 0
    refused: str = ""


def read_orders(folder: Path) -> Orders:
    """Read what is asked of the sweep in a folder.

    Raises:
        InputError: The file cannot be read, is damaged or of a newer version.
    """
    path = folder / FILE
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema = int(content["schema"])
        orders = Orders(**{each.name: content[each.name] for each in fields(Orders)})
        _check_types(orders)
    except FileNotFoundError:
        return Orders()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        what = "is damaged or was not written by r2po"
        raise InputError(f"{path} {what}; delete it, and nothing is asked of this sweep") from None
    if schema > SCHEMA_VERSION:
        raise InputError(f"{path} has schema {schema}; this version of r2po reads up to {SCHEMA_VERSION}")
    return orders


def _check_types(orders: Orders) -> None:
    """Raise a TypeError if an entry is not what it should be."""
    texts = (orders.revision, orders.paused, orders.stop)
    whole = all(type(value) is int for name, value in orders.limits.items() if name != "max_cost")
    is_right = (
        all(isinstance(text, str) for text in texts) and whole and isinstance(orders.max_cost, int | float | None)
    )
    if not is_right or not all(0 < value < float("inf") for value in orders.limits.values()):
        raise TypeError


def change(folder: Path, edit: Callable[[Orders], Orders]) -> tuple[Orders, Orders]:
    """Change what is asked of the sweep in a folder; return what was asked before, and what is asked now.

    Raises:
        InputError: The file cannot be read or written.
    """
    lock = _lock(folder)
    try:
        before = read_orders(folder)
        after = replace(edit(before), revision=secrets.token_hex(4))
        text = json.dumps({"schema": SCHEMA_VERSION, **asdict(after)}, indent=1)
        write_atomically(folder / FILE, f"{text}\n".encode())
    except OSError as error:
        raise InputError(f"cannot write {folder / FILE}: {error.strerror or error}") from None
    finally:
        lock.close()
    return before, after


def _lock(folder: Path) -> Lock:
    """Keep other commands out while one reads and writes."""
    try:
        return take_lock(folder / ".control.lock", PATIENCE_S)
    except BlockingIOError:
        raise InputError(f"another process is writing {folder / FILE}, for {PATIENCE_S:g} s by now") from None


class Ear:
    """Reads what is asked of a sweep, in a process that works on it.

    Args:
        folder: The folder of the sweep; it need not be there yet.
        given: Limits that the command of the sweep gives itself; they are set no longer, as the later word counts.
        joins: Whether others are at work, all with the same command: then what was set since is the later word.

    Raises:
        InputError: The file cannot be read.
    """

    def __init__(self, folder: Path, given: Mapping[str, float | None], *, joins: bool = False) -> None:
        self._folder = folder
        self.orders = read_orders(folder)
        gone = [name for name in self.orders.limits if given.get(name) is not None and not joins]
        self._overruled: Mapping[str, Any] = {name: None for name in gone}  # noqa: C420 - None of any type
        self.orders = replace(self.orders, **self._overruled)
        self.problem = ""
        """Why the file cannot be read now: what was asked before holds on."""
        self._known_stop = self.orders.stop
        self.must_stop = False
        """Whether a stop was asked for since this process works on it; nobody can take that back."""
        self._looked_at = float("-inf")

    def look(self) -> bool:
        """Read the file, if it is time; return whether something else is asked now."""
        if time.monotonic() - self._looked_at < LOOK_S:
            return False
        self._looked_at = time.monotonic()
        before = self.orders
        try:
            self.orders, self.problem = read_orders(self._folder), ""
        except InputError as error:
            self.problem = str(error)
        if self.orders.stop not in ("", self._known_stop):  # empty where the file was deleted
            self.must_stop = True
        return self.orders.revision != before.revision

    def begin(self) -> None:
        """Be at work from now on."""
        if self._overruled:
            _, self.orders = change(self._folder, lambda orders: replace(orders, **self._overruled))
        remove_those_of_the_dead(self._folder, _ANSWERS)
        self.answer(Answer(self.orders.revision, 0, 0))

    def answer(self, answer: Answer) -> None:
        """Tell the command that asked; whether it hears it makes no difference to the sweep."""
        with suppress(OSError):
            write_atomically(self._answer_path, json.dumps(asdict(answer)).encode(), sync=False)

    def close(self) -> None:
        """Leave nothing behind that only this process has said."""
        with suppress(OSError):
            self._answer_path.unlink(missing_ok=True)

    @property
    def _answer_path(self) -> Path:
        return own_path(self._folder, _ANSWERS)


def told(before: Orders, after: Orders, folder: Path, *, stops: bool = False) -> list[str]:
    """Return a line for each thing that is asked now and was not before."""
    lines = []
    if after.paused and not before.paused:
        lines.append(f"paused since {after.paused}: no call begins until: {NAME} resume {shlex.quote(str(folder))}")
    if before.paused and not after.paused:
        lines.append("no longer paused")
    if stops:
        lines.append("a stop was asked for: each run ends after its calls under way")
    changed = [name for name in LIMITS if getattr(before, name) != getattr(after, name)]
    limits = [f"{name} {after.limits[name]:g}" if name in after.limits else f"{name} no longer" for name in changed]
    return [*lines, *([f"set with {NAME} set: {', '.join(limits)}"] if limits else [])]


def answers(folder: Path) -> list[Answer]:
    """Return the last answer of each process that works on a sweep, or did so until it was killed."""
    found = []
    for path in sorted(folder.glob(f"{_ANSWERS}-*.json")):
        with suppress(OSError, ValueError, TypeError):  # it has just ended, or is of another version
            found.append(Answer(**json.loads(path.read_text(encoding="utf-8"))))
    return found
