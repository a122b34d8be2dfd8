"""``reevaluation.jsonl``: returns of accepted candidates on fresh episodes.

The better of two noisy means is biased upwards. The mean of fresh episodes is not, since nothing is chosen by them. No
run continues from this file, and no other file says what it holds: it may be written at any time, and continued later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from r2po.rounding import mean
from r2po.runlog.chain import Chain, checksum
from r2po.runlog.jsonl import DamagedLog, check, dump
from r2po.runlog.records import Count, Finite, read_records

FILE = "reevaluation.jsonl"
REMEDY = "delete it, and r2po reevaluate makes it again"


@with_config(ConfigDict(strict=True, extra="allow"))
class ReevaluationRecord(TypedDict):
    """A line of ``reevaluation.jsonl``.

    Attributes:
        iteration: The iteration whose accepted candidate was rolled out again.
        first: Number of the first of these episodes, from 0: a later line of an iteration adds more of them.
        solution: Checksum of that candidate's solution.
        returns: Return of each episode.
    """

    iteration: Annotated[int, Field(ge=1)]
    first: Count
    solution: str
    returns: Annotated[list[Finite], Field(min_length=1)]


class Reevaluated:
    """The fresh episodes of one accepted candidate: the checksum of its solution, and all returns."""

    def __init__(self, solution: str) -> None:
        self.solution = solution
        self.returns: list[float] = []


def read_reevaluation(path: Path) -> dict[int, Reevaluated]:
    """Return what a run's ``reevaluation.jsonl`` holds by iteration; nothing if there is none.

    Raises:
        DamagedLog: It is not what r2po writes.
    """
    chain = Chain(path, sealed=True)
    found: dict[int, Reevaluated] = {}
    try:
        records = read_records(ReevaluationRecord, path, chain)
        check(chain)
        for number, record in enumerate(records, 1):
            _add(record, found, f"{path}, line {number}")
    except DamagedLog as error:
        raise DamagedLog(f"{error}; {REMEDY}") from None
    return found


def _add(record: ReevaluationRecord, found: dict[int, Reevaluated], place: str) -> None:
    each = found.setdefault(record["iteration"], Reevaluated(record["solution"]))
    if (record["first"], record["solution"]) != (len(each.returns), each.solution):
        raise DamagedLog(f"damaged log: {place}: it does not continue the lines before it")
    each.returns += record["returns"]


Logged = Sequence[tuple[int, float, int | None]]
"""Number, reward and accepted candidate of each iteration."""


def fresh_rewards(found: Mapping[int, Reevaluated], logged: Logged) -> list[float] | None:
    """Return the mean return on fresh episodes of each iteration's accepted candidate; None if any has none on record.

    An iteration that accepted none keeps its reward.
    """
    if any(number not in found for number in _accepting(logged)):
        return None
    return [reward if accepted is None else mean(found[number].returns) for number, reward, accepted in logged]


def gaps(found: Mapping[int, Reevaluated], logged: Logged) -> str:
    """Say in one line that accepted candidates have no fresh episodes, or fewer than others; else an empty text."""
    wanted = _accepting(logged)
    counts = [len(found[number].returns) for number in wanted if number in found]
    remedy = "r2po reevaluate rolls out what is missing"
    if len(counts) < len(wanted):
        return f"{FILE} holds {len(counts)} of {len(wanted)} accepted candidates; {remedy}"
    if len(set(counts)) > 1:
        return f"{FILE} holds {min(counts)} to {max(counts)} episodes of accepted candidates; {remedy}"
    return ""


def _accepting(logged: Logged) -> list[int]:
    return [number for number, _, accepted in logged if accepted is not None]


def solution_sum(record: Mapping[str, object]) -> str:
    """Return the checksum of a solution, given the part of a candidate's record that it is logged as."""
    return checksum(dump(dict(record)).encode(errors="backslashreplace"))
