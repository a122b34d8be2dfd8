"""What the calls of a run took, by role. What nobody told is None, never 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from r2po.report.packing import Values
from r2po.report.texts import Asked

KINDS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")


def spent_by_role(asked: Sequence[Asked], costs: Mapping[str, Any]) -> list[Values]:
    """Return a row for each role, in the order in which the roles were first asked.

    Args:
        asked: All questions.
        costs: Money by role, as far as the log tells it.
    """
    roles = dict.fromkeys(each.role for each in asked)
    return [_row(role, [each for each in asked if each.role == role], costs.get(role)) for role in roles]


def _row(role: str, asked: Sequence[Asked], cost: Any) -> Values:
    answered = [each for each in asked if each.reply is not None]
    waited = [each.seconds for each in answered if each.seconds is not None]
    return {
        "role": role,
        "asked": len(asked),
        "replies": len(answered),
        "refused": sum(bool(each.refusal) for each in answered),
        "failures": sum(each.failures for each in asked),
        "seconds": round(sum(waited), 3) if waited else None,
        "median_s": round(median(waited), 3) if waited else None,
        "tokens": {kind: _sum([each.usage.get(kind) for each in answered]) for kind in KINDS},
        "cost": cost if isinstance(cost, int | float) else None,
    }


def _sum(counts: Sequence[int | None]) -> int | None:
    """Return a sum of which all terms are known; None otherwise, and if there are none."""
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None
