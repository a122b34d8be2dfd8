"""Iterations as families: which candidate was made from which."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from r2po.runlog.consistency import agree
from r2po.runlog.facts import Pair
from r2po.runlog.records import CandidateRecord, IterationRecord

CRITIC = "critic"
"""Whose reply revises what is shown to it; two of another role are made side by side."""

_REPAIR = re.compile(r"(.+)_repair_(\d+)")


@dataclass(eq=False)
class Attempt:
    """A candidate, and what was made from it.

    Attributes:
        iteration: Its number.
        record: What the log says of it.
        kept: Whether the method kept it.
        parent: The candidate of the same iteration that it was made from; None if there is none.
        children: What was made from it, in the order of the log.
    """

    iteration: int
    record: CandidateRecord
    kept: bool
    parent: Attempt | None = None
    children: list[Attempt] = field(default_factory=list)

    @property
    def stage(self) -> str:
        """What it is in its method."""
        return self.record["stage"]

    @property
    def title(self) -> str:
        """Its stage, without what the stage of its parent says already."""
        if self.parent is None:
            return self.stage
        parent = self.parent.stage
        # The second repair is made from the first, but named after what both repair.
        before = parent if self.stage.startswith(f"{parent}_") else _REPAIR.sub(r"\1", parent)
        return self.stage.removeprefix(f"{before}_")

    @property
    def family(self) -> Sequence[Attempt]:
        """It, and what was made from it, from that, and so on."""
        family, left = [], [self]
        while left:  # not by recursion: there may be any number of repairs
            family.append(left.pop())
            left += reversed(family[-1].children)
        return family

    @property
    def failed(self) -> bool:
        """Whether its policy did not work."""
        return "failure" in self.record

    @property
    def returns(self) -> Sequence[float]:
        """Return of each of its episodes; none if it failed."""
        return () if self.failed else self.record.get("returns", ())

    @property
    def source(self) -> str | None:
        """Its program; None if its policy has numbers."""
        return self.record.get("source")

    @property
    def params(self) -> Sequence[float]:
        """Its numbers, as they were rolled out; none if it has a program."""
        return self.record.get("params", ())

    @property
    def success(self) -> float | None:
        """Fraction of its episodes that succeeded; None if the task does not tell."""
        successes = self.record.get("successes")
        return float(np.mean(successes)) if successes else None


@dataclass(frozen=True, eq=False)
class Round:
    """An iteration.

    Attributes:
        record: What the log says of it.
        attempts: Its candidates, in the order of the log.
        is_best: Whether the policy it kept was better than all before.
        before: The policies kept before that its candidates may have been made from: the last one, and the best one.
    """

    record: IterationRecord
    attempts: Sequence[Attempt]
    is_best: bool
    before: Sequence[Attempt]

    @property
    def number(self) -> int:
        """Number of the iteration, from 1."""
        return self.record["iteration"]

    @property
    def first(self) -> Sequence[Attempt]:
        """The candidates that were made from no other one of this round."""
        return [attempt for attempt in self.attempts if attempt.parent is None]

    @property
    def in_families(self) -> Sequence[Attempt]:
        """The candidates, each followed by what was made from it."""
        return [attempt for first in self.first for attempt in first.family]

    @property
    def kept(self) -> Attempt | None:
        """The candidate that the method kept; None if that failed."""
        return next((attempt for attempt in self.attempts if attempt.kept), None)

    @property
    def notes(self) -> Mapping[str, Any]:
        """What the method noted."""
        return self.record.get("notes", {})


def rounds_of(records: Sequence[IterationRecord], pair: Pair | None) -> list[Round]:
    """Return the iterations with their families.

    Args:
        records: The lines of the log.
        pair: The stages of proposal and revision, if the method has both.
    """
    rounds: list[Round] = []
    last: Attempt | None = None
    best: Attempt | None = None
    best_reward: float | None = None
    for record in records:
        attempts = _family(record, pair)
        kept = next((attempt for attempt in attempts if attempt.kept), None)
        is_best = kept is not None and _is_best(record, best_reward)
        before = [attempt for attempt in (last, best) if attempt is not None]
        rounds.append(Round(record, attempts, is_best, before[: 1 if last is best else 2]))
        last = kept or last
        if is_best:
            best, best_reward = kept, record["reward"]
    return rounds


def _is_best(record: IterationRecord, before: float | None) -> bool:
    """Whether an iteration set a new best reward, as its method compares: the log tells that of the best so far."""
    reward = record["reward"]
    if reward is None or before is None:
        return reward is not None
    said = record.get("best_reward")
    if not isinstance(said, int | float):  # an earlier version
        return reward > before and not agree(reward, before)
    return agree(said, reward) and not agree(said, before)


def _family(record: IterationRecord, pair: Pair | None) -> list[Attempt]:
    attempts = [
        Attempt(record["iteration"], candidate, kept=place == record["accepted"])
        for place, candidate in enumerate(record["candidates"])
    ]
    for place, attempt in enumerate(attempts):
        parent = _parent(attempt.stage, attempts[:place], pair)
        if parent is not None:
            attempt.parent = parent
            parent.children.append(attempt)
    return attempts


def _parent(stage: str, before: Sequence[Attempt], pair: Pair | None) -> Attempt | None:
    """Return what a candidate was made from, given the candidates before it."""
    stages = {attempt.stage: attempt for attempt in before}
    if pair is not None and pair["role"] == CRITIC and stage == pair["revision"]:
        return stages.get(pair["proposal"])
    repair = _REPAIR.fullmatch(stage)
    if repair is not None and (earlier := f"{repair[1]}_repair_{int(repair[2]) - 1}") in stages:
        return stages[earlier]
    # What a stage is made from stands at its beginning: candidate_3_repair_1.
    longest = max((name for name in stages if stage.startswith(f"{name}_")), key=len, default=None)
    return None if longest is None else stages[longest]
