"""Distances as a picture: a row for each row of the table, a mark for each cell. It needs no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from r2po.report.marks import shown
from r2po.reproduce.compared import Compared

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 860, 190, 30, 26, 34
_LEAST, _MOST = 4, 10
"""The axis reaches at least and at most so many standard errors to each side; what lies beyond stands at its end."""
_LANE, _GAP = 11, 8
"""Heights of a mark's lane and between rows."""
_SHAPES = (
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
    "M-3.6,-3.6h7.2v7.2h-7.2z",
    "M0,-4.6L4.6,3.6L-4.6,3.6z",
    "M0,-5L4,0L0,5L-4,0z",
    "M0,4.6L4.6,-3.6L-4.6,-3.6z",
    "M-1.5,-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "M-4.6,0L3.6,-4.6L3.6,4.6z",
    "M4.6,0L-3.6,-4.6L-3.6,4.6z",
    "M-5,-2h10v4h-10z",
    "M-2,-5h4v10h-4z",
)
"""Paths of marks, so that columns differ by more than their colour."""


@dataclass(frozen=True)
class Key:
    """One entry of the legend.

    Attributes:
        name: The column.
        number: Which of the colours it has.
        shape: Its mark, as SVG.
    """

    name: str
    number: int
    shape: Markup


def legend(columns: Sequence[str]) -> list[Key]:
    """Return the mark of each column."""
    return [Key(name, number % len(_SHAPES), _mark(number, 7, 7, "")) for number, name in enumerate(columns)]


def chart(cells: Sequence[Compared], columns: Sequence[str]) -> Markup:
    """Return the distances of some cells as SVG; empty if none of them has one."""
    told = [cell for cell in cells if cell.distance.value is not None]
    if not told:
        return Markup("")
    rows = list(dict.fromkeys(cell.row for cell in told))
    used = [name for name in columns if any(cell.column == name for cell in told)]
    row_height = len(used) * _LANE + _GAP
    height = TOP + row_height * len(rows) + BOTTOM
    reach = max(_LEAST, min(_MOST, math.ceil(max(abs(cell.distance.value or 0.0) for cell in told))))

    def across(value: float) -> float:
        inside = max(-reach, min(reach, value))
        return LEFT + (inside + reach) / (2 * reach) * (WIDTH - LEFT - RIGHT)

    parts = [_frame(across, reach, height)]
    for number, row in enumerate(rows):
        top = TOP + number * row_height
        parts.append(_row(row, top, row_height))
        for cell in told:
            if cell.row == row:
                y = top + _GAP / 2 + (used.index(cell.column) + 0.5) * _LANE
                parts.append(_point(cell, columns.index(cell.column), across, reach, y))
    title = Markup("<title>Distances from the published figures, in standard errors</title>")
    drawn = Markup("").join(parts)
    return Markup('<svg role="img" viewBox="0 0 {} {}" class="chart">{}{}</svg>').format(WIDTH, height, title, drawn)


def _frame(across: object, reach: int, height: int) -> Markup:
    assert callable(across)
    low, high = across(-2), across(2)
    bottom = height - BOTTOM
    parts = [
        Markup('<rect class="band" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>').format(
            low, TOP, high - low, bottom - TOP
        )
    ]
    step = 1 if reach <= 5 else 2
    for value in range(-(reach - reach % step), reach + 1, step):
        x = across(value)
        kind = "zero" if value == 0 else "tick"
        parts.append(
            Markup('<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>').format(kind, x, x, TOP, bottom)
        )
        parts.append(
            Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                x, bottom + 15, f"{value:+d}" if value else "0"
            )
        )
    words = Markup('<text class="mute" x="{:.1f}" y="{}" text-anchor="{}">{}</text>')
    parts.append(words.format(across(-reach), 14, "start", "ours is lower"))
    parts.append(words.format(across(reach), 14, "end", "ours is higher"))
    parts.append(words.format(across(0), height - 4, "middle", "standard errors of the difference"))
    return Markup("").join(parts)


def _row(name: str, top: float, height: float) -> Markup:
    text = shown(name)
    text = text if len(text) <= 28 else f"{text[:27]}…"
    return Markup(
        '<line class="tick" x1="0" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{:.1f}" text-anchor="end">{}</text>'
    ).format(WIDTH, top, top, LEFT - 12, top + height / 2 + 4, text)


def _point(cell: Compared, number: int, across: object, reach: int, y: float) -> Markup:
    assert callable(across)
    value = cell.distance.value
    assert value is not None
    beyond = f" (beyond {reach})" if abs(value) > reach else ""
    mark = _mark(number, across(value), y, f"{shown(cell.column)} on {shown(cell.row)}: {value:+.2f}{beyond}")
    if not beyond:
        return mark
    side = "end" if value > 0 else "start"
    x = across(value) - math.copysign(8, value)
    told = Markup('<text class="beyond" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    return mark + told.format(x, y + 3.5, side, f"{value:+.0f}")


def _mark(number: int, x: float, y: float, title: str) -> Markup:
    kind = number % len(_SHAPES)
    inside = Markup("<title>{}</title>").format(title) if title else Markup("")
    path = Markup('<path class="c{}" transform="translate({:.1f} {:.1f})" d="{}">{}</path>')
    return path.format(kind, x, y, _SHAPES[kind], inside)
