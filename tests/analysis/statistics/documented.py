"""Figures that docs/statistics.md tells, and whether simulated ones are the same but for the luck of a simulation."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from math import sqrt
from pathlib import Path
from typing import TypeVar

TEXT = (Path(__file__).parents[3] / "docs" / "statistics.md").read_text(encoding="utf-8")
LINE = " ".join(TEXT.split())
Key = TypeVar("Key", bound=Hashable)


def rows(first_cell: str) -> list[list[str]]:
    """Return the cells of the table whose head begins with this cell."""
    start = TEXT.index(f"| {first_cell} |")
    lines = TEXT[start:].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in [lines[0], *lines[2:]]]


def told(pattern: str) -> list[float]:
    """Return the numbers that the groups of a pattern find in the text, as a line."""
    found = re.search(pattern, LINE)
    assert found is not None, pattern
    return [float(each) for each in found.groups()]


def percent(cell: str) -> float:
    """Return the number of a cell like ``5.4 %``."""
    return float(cell.removesuffix(" %"))


def margin(share: float, count: int) -> float:
    """Return three standard errors of a share that is simulated ``count`` times, both in per cent.

    A share of 0 or 1 has those of one case more or less.
    """
    inside = min(max(share / 100, 1 / count), 1 - 1 / count)
    return 300 * sqrt(inside * (1 - inside) / count)


def off(simulated: Mapping[Key, float], documented: Mapping[Key, float], count: int, step: float) -> dict[Key, str]:
    """Return the shares that differ from the documented ones by more than their Monte Carlo error.

    Args:
        simulated: Shares of ``count`` simulated cases, in per cent.
        documented: The same, as the page tells them.
        count: Number of cases.
        step: Unit of the last digit of the page; half of it is rounding.

    Returns:
        Empty if all hold, and all were simulated.
    """
    assert simulated.keys() == documented.keys()
    return {
        key: f"simulated {share:.2f} %, documented {documented[key]:g} %"
        for key, share in simulated.items()
        if abs(share - documented[key]) > margin(documented[key], count) + step / 2
    }
