"""The rounds of a search as its log tells them: all that later rounds know of earlier ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from r2po.isolation.outcomes import Failure
from r2po.prompts.numbers import fixed
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
        remark=_remark(record),
        reflection=reflection,
    )


def _remark(record: Mapping[str, Any]) -> str:
    """Say what a numerical search made of the constants; empty if there was none."""
    note = record.get("notes", {}).get("tuning")
    if note is None:
        return ""
    if "refused" in note:
        return f"Its constants could not be tuned: {note['refused']}"
    if not note["from"]:
        return "It declares no PARAMS, so nothing was tuned."
    if not note["kept"]:
        return "The numerical search found no better constants."
    before = next(each for each in record["candidates"] if each["stage"] == note["of"])
    changed = [
        f"{name} from {value:.6g} to {note['to'][name]:.6g}"
        for name, value in note["from"].items()
        if value != note["to"][name]
    ]
    return f"Tuned: {', '.join(changed)}. Before that, its mean return was {fixed(before['reward'])}."
