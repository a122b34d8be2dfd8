"""What is said of candidates and runs, in words that a terminal can show: control characters are written out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.text import Text

from r2po.analysis.lineage.rounds import Attempt
from r2po.isolation.outcomes import Failure
from r2po.terminal import visible

BEST = "bold green"
FAILED = "red"
NOTE = "italic"
CHANGE = "dim"


def number(value: float) -> str:
    """Write a number with at most 6 significant digits and no negative zero."""
    return f"{_floated(value) + 0.0:.6g}"


def brief(value: float) -> str:
    """Write a number with 4 significant digits, or with all before the point."""
    value = _floated(value)
    return f"{value + 0.0:.4g}" if abs(value) < 1000 else f"{value:.6g}"


def _floated(value: float) -> float:
    """Return a float; a whole number may be beyond all of them."""
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value > 0 or -1)


def one_line(text: str) -> str:
    """Return a text in one line, with control characters as their codes."""
    return visible(" ".join(text.split()))


def clean(text: str) -> str:
    """Return a text with control characters as their codes, and blanks for tabs: their width is known then."""
    return visible(text).expandtabs(8)


def mean(values: Sequence[float]) -> float:
    """Return the mean of at least one return, whatever it is."""
    with np.errstate(all="ignore"):
        return float(np.mean(values))


def score(attempt: Attempt) -> str:
    """Return the mean return, ``failed``, or ``-`` if the log has neither; with the successes, if the task tells."""
    if attempt.failed:
        return "failed"
    if not attempt.returns:
        return "-"
    success = "" if attempt.success is None else f"{attempt.success:.0%} "
    return f"{success}{brief(mean(attempt.returns))}"


def scored(attempt: Attempt, width: int = 0) -> Text:
    """Return the score, right-aligned, with a ``*`` if the candidate was kept."""
    style = FAILED if attempt.failed else "bold" if attempt.kept else ""
    return Text(f"{score(attempt):>{width}}", style) + Text("*" if attempt.kept else " ", style)


def failure(attempt: Attempt) -> str:
    """Say in one line why a candidate failed; empty if it did not."""
    if not attempt.failed:
        return ""
    told = attempt.record["failure"]
    kind: Any = told["kind"]  # a newer version may know more kinds
    return one_line(Failure(kind, told["text"]).line)


def note_lines(notes: Mapping[str, Any]) -> list[str]:
    """Return a line on each note of a method but the summaries of episodes; unknown ones as JSON."""
    known = {"reflection": _reflection, "feedback": _feedback, "equal": _equal, "tuning": _tuning}
    lines: list[str] = []
    for name, note in notes.items():
        if name == "summaries":
            continue
        told = known[name](note) if name in known and isinstance(note, dict) else None
        lines += _as_json(name, note) if told is None else told
    return [one_line(line) for line in lines]


def _as_json(name: str, note: object) -> list[str]:
    return [f"{name}: {json.dumps(note, ensure_ascii=False)}"]


def _reflection(note: Mapping[str, Any]) -> list[str] | None:
    if not isinstance(note.get("text"), str):
        return None
    return [f"reflection on {note.get('of')}: {note['text'] or '(no usable reply)'}"]


def _feedback(note: Mapping[str, Any]) -> list[str] | None:
    if not isinstance(note.get("source"), str):
        return None
    if not note["source"]:
        return [f"feedback: plain statistics; {note.get('why')}"]
    repairs = note.get("repairs")
    mended = f", repaired {repairs} time{'' if repairs == 1 else 's'}" if repairs else ""
    return [f"feedback: a function of {len(note['source'].splitlines())} lines{mended}"]


def _equal(note: Mapping[str, Any]) -> list[str] | None:
    told = ", ".join(f"{stage} = {first}" for stage, first in note.items())
    return [f"equal programs, evaluated once: {told}"]


def _tuning(note: Mapping[str, Any]) -> list[str] | None:
    """Say which constants a search without a model changed."""
    old, new = note.get("from", {}), note.get("to", {})
    if not all(isinstance(values, dict) and _are_numbers(values) for values in (old, new)):
        return None
    told = ", ".join(
        f"{name} {brief(old[name])} → {brief(new[name])}" for name in old if new.get(name, old[name]) != old[name]
    )
    why = f"not possible, {note['refused']}" if "refused" in note else told or "nothing better found"
    kept = "" if note.get("kept", True) or not told else " (not kept)"
    return [f"constants of {note.get('of')} tuned{kept}: {why}"]


def _are_numbers(values: Mapping[str, Any]) -> bool:
    return all(isinstance(value, int | float) for value in values.values())
