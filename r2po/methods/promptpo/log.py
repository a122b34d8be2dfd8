"""The rounds of a search as its log tells them: all that later rounds know of earlier ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from r2po.isolation.outcomes import Failure
from r2po.prompts.rounds import Round

REPAIR = "_repair_"
"""In the stage of a repaired program, after that of the first one and before its number."""


def rounds_of(records: Sequence[Mapping[str, Any]]) -> list[Round]:
    """Return the rounds, with the reflections that later ones noted."""
    reflections = {
        note["of"]: note["text"]
        for record in records
        if (note := record.get("notes", {}).get("reflection")) is not None
    }
    return [_round(record, reflections.get(record["iteration"], "")) for record in records]


def _round(record: Mapping[str, Any], reflection: str) -> Round:
    number, candidates = record["iteration"], record["candidates"]
    if record["accepted"] is None:
        # Of a program that was repaired, the last failure counts.
        last = {candidate["stage"].split(REPAIR)[0]: candidate["failure"] for candidate in candidates}
        return Round(number, failures=tuple(Failure(**failure).line for failure in last.values()))
    accepted = candidates[record["accepted"]]
    successes = accepted.get("successes")
    return Round(
        number,
        source=accepted["source"],
        returns=tuple(accepted["returns"]),
        success=sum(successes) / len(successes) if successes else None,
        summaries=tuple(record.get("notes", {}).get("summaries", ())),
        reflection=reflection,
    )
