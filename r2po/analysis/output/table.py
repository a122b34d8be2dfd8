"""What a table holds, whatever it is written as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: What it says; empty if there is nothing.
        below: Further lines, in small print.
        is_best: Whether it is marked as the best of its row.
        plain: What it says in CSV and JSON, if that differs.
        figures: The number or numbers behind it, unrounded, for JSON; None if the text is all there is.
    """

    text: str
    below: tuple[str, ...] = ()
    is_best: bool = False
    plain: str | None = None
    figures: Mapping[str, Any] | float | None = None


def count_cell(number: int) -> Cell:
    """Return a cell with a whole number."""
    return Cell(str(number), figures=number)


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: What it shows.
        columns: Heading of each column; the first one names the rows.
        rows: Cells of each row, as many as there are columns.
        notes: What a reader must know: model, protocol, number of runs, what is missing.
        plain_columns: Headings in CSV and JSON, if they differ.
        texts: Numbers of the columns, from 0, that are set flush left; numbers are set flush right.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    notes: Sequence[str] = ()
    plain_columns: Sequence[str] | None = None
    texts: Sequence[int] = (0,)

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows, each entry a ``Cell``."""
        return [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in self.rows]
