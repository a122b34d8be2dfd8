"""What the docstring of an environment tells: the tables of observations and actions, and sections of text."""

from __future__ import annotations

import inspect
import re

_HEADING = re.compile(r"(#{1,6})\s+(.+?)[\s#:]*")
_RULE = re.compile(r":?-+:?")
_CELL = re.compile(r"(?<!\\)\|")
_IN_BRACKETS = re.compile(r"\(([^()]+)\)$")
_NUMBERS = ("num", "#", "index", "number")
"""Heads of the column that numbers the rows of a table."""


def sections(docstring: str | None) -> dict[str, str]:
    """Return the text below each Markdown heading of a docstring, by the heading in lower case.

    The text goes on to the next heading of the same or a higher rank. Of headings that are alike, the first counts;
    code between fences holds none.
    """
    found: dict[str, list[str]] = {}
    under: list[tuple[int, list[str]]] = []  # the rank and the text of each section that goes on
    fenced = False
    for line in inspect.cleandoc(docstring or "").splitlines():
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else _HEADING.fullmatch(line.strip())
        if heading is not None:
            under = [(rank, text) for rank, text in under if rank < len(heading[1])]
        for _, text in under:
            text.append(line)
        if heading is not None:
            below: list[str] = []
            under.append((len(heading[1]), below))
            found.setdefault(heading[2].casefold(), below)
    return {name: "\n".join(text).strip("\n") for name, text in found.items()}


def section_like(docstring: str | None, *names: str) -> str:
    """Return the first section whose heading begins with one of these names; empty if there is none."""
    for heading, text in sections(docstring).items():
        if heading.startswith(names):
            return text
    return ""


def table_names(text: str) -> list[str]:
    """Return what each row of the first numbered table of a Markdown text is called, with its unit, in order.

    A table is numbered if its first column has a head such as ``Num`` and holds 0, 1, 2 and so on; rows after these,
    such as those of numbers that are left out, do not count.
    """
    rows = [_cells(line) for line in text.splitlines()]
    for at, head in enumerate(rows[:-1]):
        ruled = all(map(_RULE.fullmatch, rows[at + 1])) and len(rows[at + 1]) > 1
        if len(head) > 1 and ruled and head[0].casefold() in _NUMBERS:
            return _names(head, rows[at + 2 :])
    return []


def _cells(line: str) -> list[str]:
    """Return the cells of a row; none of a line that is no row."""
    line = line.strip()
    if not line.startswith("|"):
        return []
    inner = line[1:-1] if line.endswith("|") and len(line) > 1 else line[1:]
    return [cell.replace("\\|", "|").strip() for cell in _CELL.split(inner)]


def _names(head: list[str], rows: list[list[str]]) -> list[str]:
    unit = next((at for at, cell in enumerate(head) if "unit" in cell.casefold()), None)
    names: list[str] = []
    for row in rows:
        if len(row) < 2 or row[0] != str(len(names)):
            break
        names.append(_with_unit(row[1], row[unit] if unit is not None and unit < len(row) else ""))
    return names


def _with_unit(name: str, unit: str) -> str:
    """Return ``angle (rad)`` for the name of a row and its cell ``angle (rad)`` or ``rad``."""
    name = re.sub(r"[*`]", "", name).strip()
    bracketed = _IN_BRACKETS.search(unit)
    short = bracketed[1] if bracketed else unit
    return f"{name} ({short})" if short and short != "unitless" and short not in name else name
