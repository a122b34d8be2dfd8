"""How many of the runs that were found an analysis uses, and why it leaves the others out: always said, in one line.

So is what a race of a sweep has left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from r2po.analysis.logs.load import LogDirectory
from r2po.analysis.logs.raced import races

COPIES = "copies of others"


def tally(found: Iterable[LogDirectory]) -> list[str]:
    """Return one line on runs that are left out, or used although they are damaged, and one on each race."""
    left, used, hurt = Counter[str](), 0, 0
    found = list(found)
    raced = races({each.path: [str(each.path)] for each in found if each.runs})
    for each in found:
        left.update(each.left_out)
        left[COPIES] += sum(len(run.copies) for run in each.runs)
        used += len(each.runs)
        hurt += sum(bool(run.damage) for run in each.runs)
    reasons = [f"{number} {reason}" for reason, number in left.items() if number]
    kept = [f"{hurt} of those used cannot be continued, since {'it is' if hurt == 1 else 'they are'} damaged"]
    parts = [f"left out: {', '.join(reasons)}"] * bool(reasons) + kept * bool(hurt)
    if not parts:
        return raced
    total = used + left.total()
    return [f"{used} of {total} run{'' if total == 1 else 's'} used; {'; '.join(parts)}", *raced]
