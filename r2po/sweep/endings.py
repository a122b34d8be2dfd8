"""How runs of a sweep ended that are not complete, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from r2po.runlog.condition import Condition

MOST_NAMED = 8


def grouped(errors: Mapping[int, str], names: Sequence[str]) -> str:
    """Say what failed, each reason once."""
    runs: dict[str, list[str]] = defaultdict(list)
    for run, reason in sorted(errors.items()):
        runs[reason].append(names[run])
    parts = []
    for reason, failed in runs.items():
        more = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
        parts.append(f"\n  {', '.join(failed[:MOST_NAMED])}{more}: {reason}")
    return "".join(parts)


def with_remedy(condition: Condition) -> str:
    """Say what is damaged, and which command lets this sweep make the run whole again."""
    return f"{condition.fault}; to mend it: {condition.remedy}" if condition.remedy else condition.fault
