"""A table as a picture, with the rules of a printed one."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from r2po.analysis.output.canvas import save, wrapped
from r2po.analysis.output.style import FONT_SIZE, SMALL_FONT_SIZE, paper_style
from r2po.analysis.output.tables import Cell, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

LINE = 0.17
"""Inches from line to line."""

GAP = 0.22
"""Inches between columns."""

MARGIN = 0.12
NOTE_SIZE = SMALL_FONT_SIZE - 1
CHARACTERS_PER_INCH = 18
"""Of the notes' font."""

NARROWEST = 4.0
"""Inches: notes under a narrow table are to stay readable."""


def draw_table(table: Table, suffix: str) -> bytes:
    """Draw a table and return it as "png", "pdf" or "svg"."""
    from matplotlib.figure import Figure

    with paper_style():
        cells = table.cells
        figure = Figure(figsize=(1, 1))
        widths = _column_widths(figure, table, cells)
        width = max(NARROWEST, sum(widths) + GAP * (len(widths) - 1) + 2 * MARGIN)
        characters = int((width - 2 * MARGIN) * CHARACTERS_PER_INCH)
        notes = [line for note in table.notes for line in wrapped(note, characters)]
        title = textwrap.wrap(table.title, int(characters * 0.7))
        heights = [max(1 + len(cell.below) for cell in row) * LINE + 0.03 for row in cells]
        height = LINE * (len(title) + len(notes) + 2.6) + sum(heights) + 2 * MARGIN
        figure = Figure(figsize=(width, height))
        _Pen(figure, widths, table.texts).draw(title, table.columns, cells, heights, notes)
        return save(figure, suffix)


class _Pen:
    """Writes from top to bottom; positions are inches from the upper left corner."""

    def __init__(self, figure: Figure, widths: Sequence[float], texts: Sequence[int]) -> None:
        self.figure, self.widths, self.texts = figure, widths, texts
        self.width, self.height = figure.get_size_inches()
        self.y = MARGIN

    def draw(
        self,
        title: Sequence[str],
        columns: Sequence[str],
        cells: Sequence[Sequence[Cell]],
        heights: Sequence[float],
        notes: Sequence[str],
    ) -> None:
        for line in title:
            self.text(MARGIN, line, size=FONT_SIZE, weight="bold")
            self.y += LINE
        self.y += 0.3 * LINE
        self.rule(1.0)
        self.row([(column, False, ()) for column in columns], LINE)
        self.rule(0.6)
        for row, height in zip(cells, heights, strict=True):
            self.row([(cell.text or "\u2013", cell.is_best, cell.below) for cell in row], height)
        self.rule(1.0)
        self.y += 0.2 * LINE
        for line in notes:
            self.text(MARGIN, line, size=NOTE_SIZE, color="#404040")
            self.y += LINE * 0.9

    def row(self, cells: Sequence[tuple[str, bool, tuple[str, ...]]], height: float) -> None:
        x = MARGIN
        for number, ((text, is_best, below), width) in enumerate(zip(cells, self.widths, strict=True)):
            place, align = (x, "left") if number in self.texts else (x + width, "right")
            self.text(place, text, align=align, weight="bold" if is_best else "normal")
            for line_number, line in enumerate(below, 1):
                self.text(place, line, align=align, size=NOTE_SIZE, color="#404040", down=line_number * LINE)
            x += width + GAP
        self.y += height

    def rule(self, thickness: float) -> None:
        from matplotlib.lines import Line2D

        self.y += 0.15 * LINE
        y = 1 - self.y / self.height
        right = 1 - MARGIN / self.width
        line = Line2D([MARGIN / self.width, right], [y, y], color="black", linewidth=thickness)
        self.figure.add_artist(line)
        self.y += 0.15 * LINE

    def text(
        self,
        x: float,
        text: str,
        *,
        align: str = "left",
        size: float = SMALL_FONT_SIZE,
        weight: str = "normal",
        color: str = "black",
        down: float = 0.0,
    ) -> None:
        y = 1 - (self.y + down + LINE * 0.75) / self.height
        self.figure.text(
            x / self.width, y, text, ha=align, va="baseline", fontsize=size, fontweight=weight, color=color
        )


def _column_widths(figure: Figure, table: Table, cells: Sequence[Sequence[Cell]]) -> list[float]:
    """Measure columns in inches."""
    widths = []
    for number, column in enumerate(table.columns):
        texts = [(column, SMALL_FONT_SIZE, "normal")]
        for row in cells:
            texts.append((row[number].text, SMALL_FONT_SIZE, "bold" if row[number].is_best else "normal"))
            texts += [(line, NOTE_SIZE, "normal") for line in row[number].below]
        widths.append(max(_text_width(figure, *text) for text in set(texts)))
    return widths


def _text_width(figure: Figure, text: str, size: float, weight: str) -> float:
    drawn: Text = figure.text(0, 0, text, fontsize=size, fontweight=weight)
    width = float(drawn.get_window_extent().width) / figure.dpi
    drawn.remove()
    return width
