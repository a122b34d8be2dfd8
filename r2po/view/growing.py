"""The iterations of a run, read on from where the last look ended; a log only grows.

A line begins with the few numbers that a list of runs shows. They are taken from its first bytes: parsing a whole line
takes twenty times as long, and there may be a thousand runs. A line that begins otherwise is parsed. A last line
without its end is not there yet.
"""

from __future__ import annotations

import json
import math
import os
import re
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_NUMBER = rb"(-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?)"  # always finite
_BEGINNING = re.compile(rb'\{"iteration":([0-9]{1,9}),"reward":' + _NUMBER + rb',"best_reward":' + _NUMBER + rb",")
_PIECE = 1 << 20


class Growing:
    """What is known of ``iterations.jsonl``.

    Attributes:
        numbers: The number of each iteration.
        rewards: Its mean return; not a number where no policy worked.
        best: The best so far, likewise.
        fault: The first line that cannot be read, and why; empty if there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin()

    def _begin(self) -> None:
        self.numbers, self.rewards, self.best = array("q"), array("d"), array("d")
        self.fault = ""
        self._offset, self._lines, self._inode = 0, 0, -1
        self._last = b""

    def read_on(self, status: os.stat_result | None) -> None:
        """Read what was added, given the state of the file; None if there is none. A file that shrank is another one.

        Raises:
            OSError: It cannot be read.
        """
        if status is None or status.st_ino != self._inode or status.st_size < self._offset:
            self._begin()
        if status is None:
            return
        self._inode = status.st_ino
        if status.st_size > self._offset:
            self._take(self._new_lines())

    @property
    def last(self) -> Mapping[str, Any]:
        """The last line as a whole; empty if there is none, or if it cannot be read."""
        try:
            record = json.loads(self._last)
        except (ValueError, RecursionError):
            return {}
        return record if isinstance(record, dict) else {}

    def _new_lines(self) -> Iterator[bytes]:
        """Yield the lines that were added and have an end."""
        rest = b""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            while piece := file.read(_PIECE):
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    self._offset += len(line) + 1
                    yield line

    def _take(self, lines: Iterator[bytes]) -> None:
        match, numbers, rewards, best = _BEGINNING.match, self.numbers, self.rewards, self.best
        for line in lines:
            self._lines += 1
            found = match(line)
            if found is None and not self._take_otherwise(line):
                self.fault = self.fault or f"{self._path.name}, line {self._lines} is not an iteration"
                continue
            if found is not None:
                numbers.append(int(found[1]))
                rewards.append(float(found[2]))
                best.append(float(found[3]))
            self._last = line

    def _take_otherwise(self, line: bytes) -> bool:
        """Take a line that begins otherwise; returns whether it is an iteration."""
        told = self._parsed(line)
        if told is None:
            return False
        number, reward, best = told
        before = self.best[-1] if self.best else math.nan
        self.numbers.append(number)
        self.rewards.append(reward)
        self.best.append(_larger(before, reward) if math.isnan(best) else best)
        return True

    def _parsed(self, line: bytes) -> tuple[int, float, float] | None:
        try:
            record = json.loads(line)
            number = record["iteration"]
        except (ValueError, RecursionError, KeyError, TypeError):
            return None
        known = type(number) is int and abs(number) < 1 << 62
        return (number, _finite(record.get("reward")), _finite(record.get("best_reward"))) if known else None


def _finite(value: object) -> float:
    """Return a number that a figure can show; not a number if it is none."""
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _larger(one: float, other: float) -> float:
    return other if math.isnan(one) or other > one else one
