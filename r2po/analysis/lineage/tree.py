"""Rounds as a tree: one line for a candidate, or for a round whose candidates fit into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from r2po.analysis.lineage.changes import change
from r2po.analysis.lineage.rounds import Attempt, Round
from r2po.analysis.lineage.words import BEST, CHANGE, FAILED, NOTE, failure, note_lines, one_line, score, scored

TITLE = "iteration"
LEGEND = f"{TITLE} (*: kept; best: better than all before)"
INDENT = 4
"""What rich puts before each level."""
MOST_ON_A_LINE = 2
"""Candidates of a round that is shown in one line."""


@dataclass(frozen=True)
class _Widths:
    """Columns, the same ones in the whole tree.

    Attributes:
        numbers: Of the numbers of iterations.
        names: Of names with their indentation.
        scores: Of scores.
    """

    numbers: int
    names: int
    scores: int

    @classmethod
    def of(cls, rounds: Sequence[Round]) -> _Widths:
        attempts = [attempt for each in rounds for attempt in each.attempts]
        first = [attempt for each in rounds if not _is_brief(each) for attempt in each.first]
        return cls(
            numbers=max((len(str(each.number)) for each in rounds), default=1),
            names=max((width for attempt in first for width in _name_widths(attempt)), default=0),
            scores=max((len(score(attempt)) for attempt in attempts), default=0),
        )


def tree(rounds: Sequence[Round], title: RenderableType) -> Tree:
    """Return rounds as a tree under a title."""
    made = Tree(title, guide_style="dim")
    widths = _Widths.of(rounds)
    for each in rounds:
        if _is_brief(each):
            made.add(_brief(each, widths))
        else:
            _add_round(made, each, widths)
    return made


def _is_brief(each: Round) -> bool:
    """Whether a round is one line: few candidates, and nothing was noted."""
    return len(each.attempts) <= MOST_ON_A_LINE and not each.notes


def _brief(each: Round, widths: _Widths) -> Text:
    """Return a round in one line: scores, whether the kept one is the best so far, what was changed, what failed."""
    line = _text(Text(f"{each.number:>{widths.numbers}}  "))
    for place, attempt in enumerate(each.attempts):
        line.append(" → " if attempt.parent else "  " if place else "")
        line.append_text(scored(attempt, widths.scores))
    line.append(" best" if each.is_best else "     ", BEST)
    for attempt in each.attempts:
        if attempt.parent and (told := change(attempt.parent, attempt)):
            line.append(f"  {told}", CHANGE)
    for attempt in each.attempts:
        if attempt.failed:
            line.append(f"  {one_line(attempt.stage)}: {failure(attempt)}", FAILED)
    line.rstrip()
    return line


def _add_round(above: Tree, each: Round, widths: _Widths) -> None:
    kept = each.kept
    label = _text(Text(f"{each.number:>{widths.numbers}}  ", "bold"))
    if kept is None:
        label.append("none worked" if each.attempts else "no candidate", FAILED)
    else:
        label.append(f"{score(kept)}  {one_line(kept.stage)}", "bold")
        label.append("  best" if each.is_best else "", BEST)
    branch = above.add(label)
    for line in note_lines(each.notes):
        branch.add(_text(Text(line, NOTE)))
    for first in each.first:
        _add_attempt(branch, first, widths, widths.names)


def _add_attempt(branch: Tree, attempt: Attempt, widths: _Widths, names: int) -> None:
    """Add a candidate and what was made from it; ``names`` is the width of its name."""
    run = _run(attempt)
    last = run[-1]
    line = _text(Text(f"{_title(run):<{names}}  "))
    line.append_text(scored(last, widths.scores))
    if attempt.parent and (told := change(attempt.parent, last)):
        line.append(f"  {told}", CHANGE)
    line.append(f"  {failure(last)}" if last.failed else "", FAILED)
    line.rstrip()
    branch = branch.add(line)
    for child in last.children:
        _add_attempt(branch, child, widths, names - INDENT)


def _run(attempt: Attempt) -> list[Attempt]:
    """Return repairs in a row that all failed, which are shown as one; a first try, or one that works, is alone."""
    run = [attempt]
    while attempt.parent and run[-1].failed and len(run[-1].children) == 1 and run[-1].children[0].failed:
        run.append(run[-1].children[0])
    return run


def _name_widths(attempt: Attempt, indent: int = 0) -> list[int]:
    """Return how wide the names are that are shown of a candidate and of what was made from it, indented."""
    run = _run(attempt)
    later = [width for child in run[-1].children for width in _name_widths(child, indent + INDENT)]
    return [len(_title(run)) + indent, *later]


def _title(run: Sequence[Attempt]) -> str:
    more = f" to {one_line(run[-1].title).rpartition('_')[2]}" if len(run) > 1 else ""
    return f"{one_line(run[0].title)}{more}"


def _text(start: Text) -> Text:
    """Return a line that is cut off where the terminal ends."""
    line = Text(no_wrap=True, overflow="ellipsis")
    return line.append_text(start)
