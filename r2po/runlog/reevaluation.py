"""``reevaluation.jsonl``: returns of accepted candidates on fresh episodes.

The better of two noisy means is biased upwards. The mean of fresh episodes is not, since nothing is chosen by them. No
run continues from this file, and no other file says what it holds: it may be written at any time, and continued later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, with_config
from typing_extensions import NotRequired, TypedDict

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
        returns: Return of each episode; none if the policy failed.
        failure: Why a policy that is code failed in these episodes.
    """

    iteration: Annotated[int, Field(ge=1)]
    first: Count
    solution: str
    returns: list[Finite]
    failure: NotRequired[dict[str, str]]


class Reevaluated:
    """The fresh episodes of one accepted candidate: the checksum of its solution, all returns, whether it failed."""

    def __init__(self, solution: str) -> None:
        self.solution = solution
        self.returns: list[float] = []
        self.failed = False


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
    if bool(record["returns"]) == ("failure" in record):
        raise DamagedLog(
            f"damaged log: {place}: it has {'both' if record['returns'] else 'neither'} returns and failure"
        )
    each.returns += record["returns"]
    each.failed |= "failure" in record


Logged = Sequence[tuple[int, float]]
"""Number and reward of each iteration that accepted a candidate."""


def fresh_rewards(found: Mapping[int, Reevaluated], logged: Logged) -> list[float] | None:
    """Return the mean return on fresh episodes of each iteration's accepted candidate; None if any has none on record.

    One that fails there keeps its logged reward: it has no other, and ``gaps`` names it.
    """
    if any(number not in found for number, _ in logged):
        return None
    return [reward if found[number].failed else mean(found[number].returns) for number, reward in logged]


def gaps(found: Mapping[int, Reevaluated], logged: Logged) -> str:
    """Say in one line what is odd: candidates without fresh episodes, with fewer than others, or that fail in them."""
    there = [found[number] for number, _ in logged if number in found]
    remedy = "r2po reevaluate rolls out what is missing"
    if len(there) < len(logged):
        return f"{FILE} holds {len(there)} of {len(logged)} accepted candidates; {remedy}"
    failed = sum(each.failed for each in there)
    if failed:
        return f"{failed} of {len(there)} accepted policies fail on fresh episodes; their logged rewards count"
    counts = [len(each.returns) for each in there]
    if len(set(counts)) > 1:
        return f"{FILE} holds {min(counts)} to {max(counts)} episodes of accepted candidates; {remedy}"
    return ""


def solution_sum(record: Mapping[str, object]) -> str:
    """Return the checksum of a solution, given the part of a candidate's record that it is logged as."""
    return checksum(dump(dict(record)).encode(errors="backslashreplace"))
