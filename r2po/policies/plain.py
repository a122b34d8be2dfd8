"""A text with its signs and tables written as the grammar of replies expects them."""

from __future__ import annotations

import re

_ORDINARY = str.maketrans(
    "\u2010\u2011\u2012\u2212\ufe63\uff0d\u00a0\u2009\u202f\uff1a\uff1d\uff0c\uff1b\u3002", "------   :=,;."
)
_ESCAPE = re.compile(r"\\(?=[\[\]_*])")
_DASH_AS_MINUS = re.compile(r"(?<![\w)])[\u2013\u2014](?=\.?\d)")
_RULE = re.compile(r"[\s|:+-]+")
_NAME = re.compile(r"params\s*\[\s*\d{1,9}\s*\]", re.IGNORECASE)


def plain(text: str) -> str:
    """Return a text with ordinary dashes, blanks and signs, and with rows of values as assignments."""
    text = _DASH_AS_MINUS.sub("-", _ESCAPE.sub(" ", text.translate(_ORDINARY)))
    return _with_tables_as_assignments(text) if "|" in text else text


def _with_tables_as_assignments(text: str) -> str:
    """Write the rows of values below a row of names, in which the first cell may be a label, as assignments.

    All rows become one line: where they differ, nobody knows which one is meant.
    """
    lines = text.split("\n")
    names: list[str] = []
    row: list[str] = []  # of the table under way: all its rows
    rows: dict[int, list[str]] = {}
    for number, line in enumerate(lines):
        cells = [cell.strip(' \t*_`"') for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
        if len(cells) > 1 and all(_NAME.fullmatch(cell) for cell in cells[1:]):
            names, row, lines[number] = cells, rows.setdefault(number, []), ""
        elif names and _RULE.fullmatch(line):
            lines[number] = ""
        elif len(cells) == len(names):
            row += [f"{name}: {cell}" for name, cell in zip(names, cells, strict=True) if _NAME.fullmatch(name)]
            lines[number] = ""
        else:
            names = []
    return "\n".join(", ".join(rows[number]) if number in rows else line for number, line in enumerate(lines))
