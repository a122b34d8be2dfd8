"""Tables as text and pictures: one content, written as Markdown, CSV, LaTeX, JSON, PNG, PDF or SVG."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from r2po.analysis.output.files import to_json
from r2po.terminal import visible

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {"md": "md", "csv": "csv", "latex": "tex", "json": "json", "png": "png", "pdf": "pdf", "svg": "svg"}
)
"""Suffix of the file of each format."""

MISSING = "–"  # noqa: RUF001 - the dash that stands for nothing in printed tables

_LATEX: Mapping[str, str] = MappingProxyType(
    {
        "\\": r"\textbackslash{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"$<$",
        ">": r"$>$",
        "|": r"$|$",
        "±": r"$\pm$",
        "†": r"$\dagger$",
        "≥": r"$\geq$",
        "≤": r"$\leq$",
        "×": r"$\times$",  # noqa: RUF001 - the sign of multiplication
        "∞": r"$\infty$",
        "τ": r"$\tau$",
        "–": "--",  # noqa: RUF001 - the dash that LaTeX writes so
        "²": "$^2$",
    }
)


_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_FIGURES = re.compile(r"[-+]?[\d.][\d.e±∞\s\[\],;()+-]*")
"""A number, and what we write beside numbers."""


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


def to_markdown(table: Table) -> str:
    """Return the table in Markdown; the best cell of a row is bold, the notes are a list below."""
    cells = [list(map(_pipe, table.columns)), *(list(map(_markdown_cell, row)) for row in table.cells)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    head, *rows = [f"| {' | '.join(pad(row, widths, table.texts))} |" for row in cells]
    rule = ["-" * (width + 1) + ("-" if number in table.texts else ":") for number, width in enumerate(widths)]
    lines = [f"**{_pipe(table.title)}**", "", head, "|".join(["", *rule, ""]), *rows]
    if table.notes:
        lines += ["", *(f"- {_pipe(note)}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def to_csv(table: Table) -> str:
    """Return the table as comma-separated values, without marks and notes."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(csv_cell, table.plain_columns or table.columns))
    writer.writerows([[csv_cell(_plain_cell(cell)) for cell in row] for row in table.cells])
    return buffer.getvalue()


def to_latex(table: Table) -> str:
    """Return a LaTeX table in the style of the package booktabs; the best cell of a row is bold."""
    rows = [" & ".join(map(_latex_cell, row)) + r" \\" for row in table.cells]
    align = "".join("l" if number in table.texts else "r" for number in range(len(table.columns)))
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        r"  \small",
        rf"  \caption{{{_latex(table.title)}. {' '.join(_sentence(_latex(note)) for note in table.notes)}}}",
        rf"  \begin{{tabular}}{{{align}}}",
        r"    \toprule",
        f"    {' & '.join(map(_latex, table.columns))} " + r"\\",
        r"    \midrule",
        *(f"    {row}" for row in rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def table_json(table: Table) -> str:
    """Return the table as a JSON object: title, notes, and an object per row by heading; numbers are not rounded."""
    columns = table.plain_columns or table.columns
    rows = [dict(zip(columns, map(_json_cell, row), strict=True)) for row in table.cells]
    return to_json({"title": table.title, "notes": list(table.notes), "rows": rows}).decode()


TEXTS: Mapping[str, Callable[[Table], str]] = MappingProxyType(
    {"md": to_markdown, "csv": to_csv, "latex": to_latex, "json": table_json}
)
"""What writes a table in each format of text."""


def decimals(value: float) -> str:
    """Write a number with two decimals, and no negative zero."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def pad(cells: Sequence[str], widths: Sequence[int], texts: Sequence[int]) -> list[str]:
    """Return the cells of a row in the width of their columns; ``texts`` are set flush left."""
    return [
        cell.ljust(width) if number in texts else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]


def _markdown_cell(cell: Cell) -> str:
    text = _pipe(cell.text) or MISSING
    return "<br>".join([f"**{text}**" if cell.is_best else text, *map(_pipe, cell.below)])


def _pipe(text: str) -> str:
    """Return a text for Markdown in which names cannot end a cell, open a tag or make a link."""
    return _TAG.sub(r"\\<", _line(text)).replace("](", r"]\(").replace("|", r"\|")


def _line(text: str) -> str:
    return visible(" ".join(text.splitlines()))


def _plain_cell(cell: Cell) -> str:
    return "; ".join(filter(None, (cell.text if cell.plain is None else cell.plain, *cell.below)))


def csv_cell(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula: names come from logs, which may be of others."""
    formula = text.startswith(("=", "@", "+", "-", "\t", "\r")) and not _FIGURES.fullmatch(text)
    return f"'{visible(text)}" if formula else visible(text)


def _json_cell(cell: Cell) -> Mapping[str, Any] | float | str | None:
    return cell.figures if cell.figures is not None else _plain_cell(cell) or None


def _latex_cell(cell: Cell) -> str:
    text = _latex(cell.text or MISSING)
    text = rf"\textbf{{{text}}}" if cell.is_best else text
    if not cell.below:
        return text
    below = r" \\ ".join(rf"\scriptsize {_latex(line)}" for line in cell.below)
    return rf"\begin{{tabular}}[t]{{@{{}}r@{{}}}}{text} \\ {below}\end{{tabular}}"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _line(text))


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
