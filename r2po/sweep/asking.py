"""Pausing, resuming and stopping a sweep that other processes work on, and setting its limits: what commands do."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from r2po.errors import InputError, nearest
from r2po.installation import NAME
from r2po.runlog.lock import Lock
from r2po.sweep.control import Answer, Orders, answers, change
from r2po.sweep.manifest import FILE, LOCK, find
from r2po.sweep.members.onlookers import at_work

WAIT_S = 5.0
"""How long a command waits for an answer: file servers show a new file after a while."""
MOST_NAMED = 8


def find_sweep(text: str, logs: Path) -> Path:
    """Return the folder of the sweep that is meant: by its folder, or by its name and the folder of logs it is below.

    Raises:
        InputError: There is none, or there are several.
    """
    if (Path(text) / FILE).is_file():
        return Path(text)
    if Path(text).name == FILE and Path(text).is_file():
        return Path(text).parent
    folders = [each.folder for each in find(logs)[0]]
    named = [folder for folder in folders if folder.name == text]
    if len(named) == 1:
        return named[0]
    if named:
        raise InputError(f"{len(named)} sweeps have the name {text!r}: {', '.join(map(str, named))}; give the folder")
    names = [folder.name for folder in folders]
    known = ", ".join(names[-MOST_NAMED:])
    raise InputError(
        f"no sweep {text!r} below {str(logs)!r}{nearest(text, names)}; the latest there: {known or 'none'}"
    )


def pause(folder: Path) -> str:
    """Let a sweep begin no call until ``resume``; returns what was done and what will happen."""
    before, after = change(folder, lambda orders: replace(orders, paused=orders.paused or _now()))
    since = f" since {before.paused}" if before.paused else ""
    until = f"no new one begins until: {_command('resume', folder)}"
    heard = _heard(folder, after)
    if heard is None:
        return f"{folder} is paused{since}; {_silence(folder)}; once it is started, {until.replace('new one', 'call')}"
    recorded = " and will be recorded" if any(each.calls for each in heard) else ""
    return f"{folder} is paused{since}: {_calls(heard)} under way{recorded}; {until}"


def resume(folder: Path) -> str:
    """Let a sweep that is paused go on; returns what was done and what will happen."""
    before, after = change(folder, lambda orders: replace(orders, paused=""))
    was = f"{folder} is no longer paused" if before.paused else f"{folder} was not paused"
    heard = _heard(folder, after)
    if heard is None:
        return f"{was}; {_silence(folder)}; to continue: {_command('sweep', folder)}"
    return f"{was}: {_runs(heard)} under way"


def stop(folder: Path) -> str:
    """Let the processes that work on a sweep end once their calls have ended; returns what will happen."""
    if not is_at_work(folder):
        return f"nobody works on {folder} now: there is nothing to stop"
    _, after = change(folder, lambda orders: replace(orders, stop=f"{_now()} {time.time_ns()}"))
    heard = _heard(folder, after)
    again = f"to continue: {_command('sweep', folder)}"
    if not is_at_work(folder):
        return f"{folder} has stopped; {again}"
    if heard is None:
        return f"{folder} is to stop; {_silence(folder)}; {again}"
    recorded = " and will be recorded first" if any(each.calls for each in heard) else ""
    return f"{folder} stops: {_calls(heard)} under way{recorded}; {again}"


def set_limits(folder: Path, limits: Mapping[str, Any]) -> str:
    """Set limits of a sweep, or set them no longer where they are None; returns what was done and what will happen.

    Raises:
        InputError: The processes at work cannot keep to them.
    """
    before, after = change(folder, lambda orders: replace(orders, **limits))
    told = [f"{name} {'is what its command says' if value is None else f'{value:g}'}" for name, value in limits.items()]
    heard = _heard(folder, after)
    refused = "" if heard is None else next((each.refused for each in heard if each.refused), "")
    if refused:
        change(folder, lambda orders: replace(orders, **{name: getattr(before, name) for name in limits}))
        raise InputError(f"{folder} stays as it is: {refused}")
    if heard is None:
        return f"{folder}: {', '.join(told)}; {_silence(folder)}; this holds once it is started"
    over = sum(each.too_many for each in heard)
    back = f"; {over} of them {'stops' if over == 1 else 'stop'} at the next call, to go on later" if over else ""
    return f"{folder}: {', '.join(told)}; {_runs(heard)} under way{back}"


def is_at_work(folder: Path) -> bool:
    """Whether a process works on a sweep, on any machine whose locks or files are seen here."""
    if at_work(folder):
        return True
    try:
        Lock(folder / LOCK).close()
    except BlockingIOError:
        return True
    return False


def _heard(folder: Path, orders: Orders) -> list[Answer] | None:
    """Return what the processes at work answer; None if none does."""
    deadline = time.monotonic() + (WAIT_S if is_at_work(folder) else 0.0)
    while True:
        all_of_them = answers(folder)
        found = [each for each in all_of_them if each.revision == orders.revision]
        everybody = found and len(found) == len(all_of_them)
        if everybody or time.monotonic() >= deadline or not is_at_work(folder):
            return found or None
        time.sleep(0.05)


def _silence(folder: Path) -> str:
    late = f"the process that works on it has not answered within {WAIT_S:g} s"
    return late if is_at_work(folder) else "nobody works on it now"


def _calls(heard: list[Answer]) -> str:
    number = sum(each.calls for each in heard)
    return "no call is" if not number else f"{number} call{' is' if number == 1 else 's are'}"


def _runs(heard: list[Answer]) -> str:
    number = sum(each.runs for each in heard)
    return "no run is" if not number else f"{number} run{' is' if number == 1 else 's are'}"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _command(name: str, folder: Path) -> str:
    return f"{NAME} {name} {shlex.quote(str(folder))}"
