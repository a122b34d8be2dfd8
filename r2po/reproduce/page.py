"""The page of a part: how far each of our figures is from the published one, and why. It holds no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from r2po.installation import version
from r2po.report.head import UNKNOWN
from r2po.report.machine_paths import without_paths
from r2po.report.marks import shown
from r2po.reproduce.chart import chart, legend
from r2po.reproduce.compared import Compared, Figure
from r2po.reproduce.outcome import LEVEL, Outcome, tables_of

_HERE = Path(__file__).parent
_FAR = 0.001
_Places = dict[str, dict[str, dict[str, None]]]
"""Rows by column, by group."""
MOST_EMBEDDED = 3_000_000
"""Bytes of figures that the page itself carries; others are linked."""


@dataclass(frozen=True)
class Made:
    """What was made beside the page.

    Attributes:
        folder: Where.
        files: They.
        commands: The commands that made them, as lines.
        problems: What went wrong, a line each.
        missing: What is not there, and why.
    """

    folder: Path
    files: Sequence[Path]
    commands: Sequence[str]
    problems: Sequence[str]
    missing: Sequence[str]


def page_of(outcome: Outcome, made: Made) -> str:
    """Return the page."""
    numbers = _numbered(outcome)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined, finalize=_marked
    )
    style = _style()
    return environment.get_template("page.j2").render(
        policy=_policy(style),
        style=style,
        version=version(),
        title=f"{outcome.part.title}, reproduced",
        badges=outcome.warnings,
        subtitle=_subtitle(outcome),
        tiles=_tiles(outcome),
        problems=list(map(without_paths, made.problems)),
        smoke=outcome.smoke,
        stand_in=outcome.stand_in,
        compares=bool(outcome.told) or not outcome.smoke,
        chance=_chance(outcome),
        source=f"{outcome.part.source[0].upper()}{outcome.part.source[1:]}.",
        groups=list(_groups(outcome, numbers)),
        reasons=_reasons(outcome, numbers),
        missing=[*outcome.part.missing, *map(without_paths, made.missing)],
        figures=_figures(made),
        files=_files(made),
        commands="\n".join(made.commands),
    )


def _marked(value: object) -> object:
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _style() -> str:
    return (_HERE / "page.css").read_text(encoding="utf-8")


def _policy(style: str) -> str:
    """Return the content security policy: this style and pictures in the page, nothing else, and no script at all."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def _subtitle(outcome: Outcome) -> str:
    models = [name for name in outcome.models if name != "none"]
    asked = f"model {', '.join(models)}" if models else "no model asked"
    return f"{asked} · the paper's model: {outcome.part.model}"


def _tiles(outcome: Outcome) -> list[tuple[str, str]]:
    there = sum(cell.ours is not None for cell in outcome.cells)
    tiles = [(f"{there} of {len(outcome.cells)}", "figures that we have")]
    if outcome.smoke and not outcome.told:
        return [*tiles, (UNKNOWN, "distances: smoke runs are not compared")]
    told = outcome.told
    tiles.append((str(len(told)), "figures with a distance from the published one"))
    if told:
        close = sum(abs(cell.distance.value or 0.0) < 2 for cell in told)
        tiles.append((f"{close} of {len(told)}", "within 2 standard errors"))
        tiles.append((f"{outcome.beyond_chance} of {len(told)}", f"with p below {LEVEL}"))
    return tiles


def _chance(outcome: Outcome) -> str:
    number = len(outcome.told)
    if not number:
        return ""
    return (
        f"Of {number} distances, about {number * LEVEL:.1f} would have p below {LEVEL} by chance alone, if nothing "
        "differed; the figures of one run are not independent of each other."
    )


def _numbered(outcome: Outcome) -> dict[str, int]:
    """Return the number of each reason, in the order in which cells need them."""
    texts = dict.fromkeys(text for reasons in outcome.reasons for text in reasons)
    return {text: number for number, text in enumerate(texts, 1)}


def _groups(outcome: Outcome, numbers: dict[str, int]) -> Iterable[dict[str, Any]]:
    for name, (columns, rows) in tables_of(outcome).items():
        cells = [outcome.cells[number] for row in rows.values() for number in row.values()]
        yield {
            "name": name,
            "columns": columns,
            "chart": chart(cells, columns),
            "legend": [key for key in legend(columns) if key.name in {cell.column for cell in cells if _has(cell)}],
            "rows": [
                {"name": row, "cells": [_cell(outcome, found.get(column), numbers) for column in columns]}
                for row, found in rows.items()
            ],
        }


def _has(cell: Compared) -> bool:
    return cell.distance.value is not None


def _cell(outcome: Outcome, number: int | None, numbers: dict[str, int]) -> dict[str, Any] | None:
    if number is None:
        return None
    cell, reasons = outcome.cells[number], outcome.reasons[number]
    value = cell.distance.value
    return {
        "kind": _kind(cell),
        "distance": UNKNOWN if value is None else f"{value:+.2f} s.e., {_p(cell.distance.p)}",
        "why": cell.distance.why,
        "ours": _told(cell.ours),
        "published": _told(cell.published),
        "reasons": sorted(numbers[text] for text in reasons),
    }


def _kind(cell: Compared) -> str:
    p = cell.distance.p
    return "none" if p is None else "near" if p >= LEVEL else "apart" if p >= _FAR else "far"


def _p(p: float | None) -> str:
    return "p unknown" if p is None else f"p = {p:.3f}" if p >= _FAR else "p < 0.001"


def _told(figure: Figure | None) -> str:
    if figure is None:
        return UNKNOWN
    label = f"{figure.label.removeprefix('SB3-')}: " if figure.label else ""
    return f"{label}{figure.text} ({figure.of})"


def _reasons(outcome: Outcome, numbers: dict[str, int]) -> list[dict[str, str]]:
    """Return each reason and where it holds."""
    compared: _Places = {}
    where: dict[str, _Places] = {text: {} for text in numbers}
    for cell, reasons in zip(outcome.cells, outcome.reasons, strict=True):
        if cell.ours is not None and cell.published is not None:
            compared.setdefault(cell.group, {}).setdefault(cell.column, {})[cell.row] = None
        for text in reasons:
            where[text].setdefault(cell.group, {}).setdefault(cell.column, {})[cell.row] = None
    return [{"text": text, "where": _where(found, compared)} for text, found in where.items()]


def _where(found: _Places, compared: _Places) -> str:
    """Name rows by column, in short where they are all that are compared; by group where these differ."""
    told = {group: _in_group(columns, compared[group]) for group, columns in found.items()}
    if told.keys() == compared.keys() and len({*told.values()}) == 1:
        return next(iter(told.values()))
    return "; ".join(f"{group}: {place}" for group, place in told.items())


def _in_group(found: Mapping[str, Mapping[str, None]], compared: Mapping[str, Mapping[str, None]]) -> str:
    columns = [
        column if len(rows) == len(compared[column]) > 1 else f"{column}: {', '.join(rows)}"
        for column, rows in found.items()
    ]
    everywhere = len(compared) > 1 and columns == list(compared)
    return "all that is compared" if everywhere else "; ".join(columns)


def _figures(made: Made) -> list[dict[str, Any]]:
    found, size = [], 0
    for path in made.files:
        if path.suffix != ".png" or path.parent.name != "curves":
            continue
        data = path.read_bytes()
        size += len(data)
        if size <= MOST_EMBEDDED:
            name = f"Curves: {path.stem.replace('_', ' ')}"
            found.append({"name": name, "data": base64.b64encode(data).decode()})
    return found


def _files(made: Made) -> list[tuple[str, list[dict[str, str]]]]:
    folders: dict[str, list[dict[str, str]]] = {}
    for path in made.files:
        inside = path.relative_to(made.folder)
        group = inside.parent.as_posix()
        entry = {"name": inside.name, "address": quote(inside.as_posix())}
        folders.setdefault("this folder" if group == "." else group, []).append(entry)
    return sorted(folders.items())
