"""A round in full: programs, differences, tracebacks, episodes and what was noted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from r2po.analysis.lineage.changes import change, changed_params, nearest, unified_diff
from r2po.analysis.lineage.rounds import Attempt, Round
from r2po.analysis.lineage.words import CHANGE, FAILED, clean, failure, mean, note_lines, number, one_line, score
from r2po.rounding import sample_std

_THEME = "ansi_dark"
"""Uses the terminal's own colours, so that it can be read on any background."""


@dataclass(frozen=True)
class Parts:
    """What is shown of each candidate.

    Attributes:
        sources: Its program, or its numbers.
        diff: How it differs from what it was made from, or from the nearest policy kept before.
        diff_within: Only the former.
        outcome: Episodes and tracebacks; also what was noted of the round.
    """

    sources: bool = False
    diff: bool = False
    diff_within: bool = False
    outcome: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anything to show."""
        return self.sources or self.diff or self.outcome


def details(each: Round, parts: Parts) -> Iterator[RenderableType]:
    """Yield what is to be printed of a round, one thing below the other."""
    if parts.outcome:
        yield from _notes(each)
    for attempt in each.in_families:
        body = list(_attempt(each, attempt, parts))
        if body:
            yield Text()
            yield _heading(attempt)
            yield from body


def _heading(attempt: Attempt) -> Text:
    failed = f": {failure(attempt)}" if attempt.failed else ""
    kept = ", kept" if attempt.kept else ""
    told = f"iteration {attempt.iteration}, {one_line(attempt.stage)}: {score(attempt)}{kept}{failed}"
    return Text(f"── {told}", f"bold {FAILED}" if attempt.failed else "bold")


def _attempt(each: Round, attempt: Attempt, parts: Parts) -> Iterator[RenderableType]:
    if parts.diff or (parts.diff_within and attempt.parent is not None):
        yield from _difference(each, attempt)
        yield from [Text()] if parts.sources else []
    if parts.sources:
        yield from _solution(attempt)
    if parts.outcome:
        yield Text()
        if attempt.failed:
            yield Text(clean(attempt.record["failure"]["text"]), FAILED)
        yield from _episodes(each, attempt)


def _solution(attempt: Attempt) -> Iterator[RenderableType]:
    if attempt.source:
        yield _code(attempt.source, "python")
    elif attempt.params:
        clipped = " (clipped)" if attempt.record.get("raw_params") else ""
        yield Text(f"params{clipped}: {', '.join(map(number, attempt.params))}")
    else:
        yield Text("(no policy in the log)", CHANGE)


def _difference(each: Round, attempt: Attempt) -> Iterator[RenderableType]:
    old = attempt.parent if attempt.parent is not None else nearest(each.before, attempt)
    if old is None:
        yield Text("(nothing before it to compare with)", CHANGE)
        return
    names = [f"iteration {one.iteration}, {one_line(one.stage)}" for one in (old, attempt)]
    if old.source and attempt.source:
        lines = unified_diff(old.source, attempt.source, *names)
        yield _code("\n".join(lines), "diff") if lines else Text(f"(same source as {names[0]})", CHANGE)
        return
    yield Text(f"against {names[0]}: {change(old, attempt).partition(':')[0] or 'cannot be compared'}", CHANGE)
    if len(old.params) == len(attempt.params):
        yield from _changed(old.params, attempt.params)


def _changed(old: Sequence[float], new: Sequence[float]) -> Iterator[Text]:
    for index, before, after in changed_params(old, new):
        line = Text(f"  params[{index}]: ")
        line.append(number(before), "red").append(" → ").append(number(after), "green")
        yield line


def _code(text: str, language: str) -> Text:
    """Return a text in colours; nothing of it is lost where the terminal is narrow, since it is wrapped."""
    highlighted = Syntax("", language, theme=_THEME, background_color="default").highlight(clean(text))
    highlighted.rstrip()
    return highlighted


def _episodes(each: Round, attempt: Attempt) -> Iterator[RenderableType]:
    returns, lengths = attempt.returns, attempt.record.get("lengths", ())
    if not returns:
        begun = f"{len(lengths)} episodes begun, {sum(lengths)} steps made" if lengths else "no episode begun"
        yield Text(begun, CHANGE)
        return
    columns: dict[str, Sequence[Any]] = {
        "episode": range(len(returns)),
        "return": [number(value) for value in returns],
        "steps": lengths,
        "end": attempt.record.get("ends", ()),
        "success": ["yes" if each else "no" for each in attempt.record.get("successes", ())],
    }
    columns = {name: column for name, column in columns.items() if len(column) == len(returns)}
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in table.columns:
        column.justify = "left" if column.header == "end" else "right"
    for row in zip(*columns.values(), strict=True):
        table.add_row(*(one_line(str(cell)) for cell in row))
    yield table
    yield Text(f"mean {number(mean(returns))}, standard deviation {number(sample_std(returns))}")
    summaries = each.notes.get("summaries")
    if attempt.kept and isinstance(summaries, list):
        for place, summary in enumerate(summaries):
            yield Text(f"episode {place}: {clean(str(summary)).strip()}")


def _notes(each: Round) -> Iterator[RenderableType]:
    for line in note_lines(each.notes):
        yield Text(line)
    feedback = each.notes.get("feedback")
    source = feedback.get("source") if isinstance(feedback, dict) else None
    if source and isinstance(source, str):
        yield _code(source, "python")
