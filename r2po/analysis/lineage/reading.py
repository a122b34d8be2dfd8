"""The log of one run as it is: also of a run that goes on, that was stopped, or of which a part is damaged."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from r2po.errors import InputError
from r2po.runlog import RunDirectory
from r2po.runlog.chain import Chain
from r2po.runlog.events import Replied, read_events
from r2po.runlog.jsonl import DamagedLog, complete_lines
from r2po.runlog.records import Description, EvaluationRecord, IterationRecord, Result, WarmupRecord, checked

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Log:
    """What could be read of a run.

    Attributes:
        path: Its folder.
        description: What is run; None if that cannot be read.
        warmup: The random policies tried first.
        iterations: The iterations, in the order of the file.
        result: The summary of a complete run; None if there is none, or if it cannot be read.
        begun: What an iteration without a line of its own has given so far, e.g. "3 replies"; empty if nothing.
        is_complete: Whether the run reached its end, even if its result cannot be read.
        missing: One line on each part that is not shown, or that was changed.
    """

    path: Path
    description: Description | None
    warmup: Sequence[WarmupRecord]
    iterations: Sequence[IterationRecord]
    result: Result | None
    begun: str
    is_complete: bool
    missing: Sequence[str]


def read_log(directory: RunDirectory) -> Log:
    """Read whatever can be read of a run.

    Raises:
        InputError: It is no run directory, or of a newer version.
    """
    missing: list[str] = []
    description = None
    if directory.is_described or not directory.has_begun:
        # A newer schema may mean something else by the same names.
        description = _try(directory.read_description, missing, DamagedLog)
    else:
        missing.append("there is no run.yaml")
    if missing and not directory.has_begun:
        raise InputError(missing[0])
    warmup = _read_lines(WarmupRecord, directory.warmup, missing)
    iterations = [each for each in _read_lines(IterationRecord, directory.iterations, missing) if _fits(each, missing)]
    result = _try(directory.read_result, missing) if directory.is_complete else None
    if result is not None and result["iterations"] != len(iterations):
        missing.append(f"result.json tells of {result['iterations']} iterations; {len(iterations)} can be read")
    last = max((record["iteration"] for record in iterations), default=0)
    begun = "" if directory.is_complete else _begun(directory, last + 1, missing)
    missing = [line.replace(f"{directory.path}/", "").removeprefix("damaged log: ") for line in missing]
    return Log(directory.path, description, warmup, iterations, result, begun, directory.is_complete, missing)


def _try(read: Callable[[], T], missing: list[str], fault: type[InputError] = InputError) -> T | None:
    """Return what a file says; None if it cannot be read because of this kind of fault, which is then noted."""
    try:
        return read()
    except fault as error:
        missing.append(str(error))
        return None


def _read_lines(kind: type[T], path: Path, missing: list[str]) -> list[T]:
    """Read the lines that are whole and of this kind; note the first that is not, and how many there are."""
    records: list[T] = []
    faults: list[str] = []
    chain = Chain(path)
    lines = _try(lambda: list(complete_lines(path, chain)), missing) or []
    for number, line in enumerate(lines, 1):
        record = _try(partial(checked, kind, line, f"{path.name}, line {number}"), faults)
        records += [] if record is None else [record]
    more = f" (and {len(faults) - 1} more lines)" if len(faults) > 1 else ""
    missing += [f"{line}{more}" for line in faults[:1]]
    # Else the checksum says the same once more.
    missing += [chain.problem] if chain.problem and not faults else []
    missing += [f"the last line of {path.name} is torn"] if _is_torn(path) else []
    return records


def _is_torn(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() != b"\n"
    except OSError:  # there is none, it is empty, or it was said already
        return False


def _fits(record: IterationRecord, missing: list[str]) -> bool:
    """Whether the accepted candidate is there; if not, that is noted."""
    accepted, found = record["accepted"], len(record["candidates"])
    if accepted is None or accepted < found:
        return True
    missing.append(f"iteration {record['iteration']}: accepted is {accepted}, but there are {found} candidates")
    return False


def _begun(directory: RunDirectory, number: int, missing: list[str]) -> str:
    """Say what is known of an iteration that has no line yet; empty if nothing is."""
    replies = _try(lambda: _replies(directory.calls, number), missing) or 0
    known = _read_lines(EvaluationRecord, directory.evaluations, missing)
    evaluations = sum(each["name"].startswith(f"iteration {number}, ") for each in known)
    counts: Mapping[str, int] = {"replies": replies, "evaluations": evaluations}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _replies(path: Path, iteration: int) -> int:
    events: Any = read_events(path, texts=False)
    return sum(isinstance(event, Replied) and event.request.iteration == iteration for event in events)
