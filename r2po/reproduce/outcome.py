"""All cells of a part with their reasons, as pages and programs need them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from r2po.analysis.output.tables import csv_cell
from r2po.reproduce.compared import Compared
from r2po.reproduce.context import Context
from r2po.reproduce.distance import Distance
from r2po.reproduce.part import Part
from r2po.reproduce.reasons import reasons_of

SCHEMA_VERSION = 1
LEVEL = 0.05
SMOKE = "smoke run: nothing is compared"
STAND_IN = "embedded stand-in: nothing is compared"


@dataclass(frozen=True)
class Outcome:
    """What came out.

    Attributes:
        part: The part of the paper.
        cells: All cells.
        reasons: Of each cell, why a difference is to be expected.
        smoke: Whether budgets were tiny, in any run.
        stand_in: Whether an embedded stand-in answered in any run.
        models: The models that answered.
    """

    part: Part
    cells: Sequence[Compared]
    reasons: Sequence[Sequence[str]]
    smoke: bool
    stand_in: bool
    models: Sequence[str]

    @property
    def told(self) -> Sequence[Compared]:
        """The cells that have a distance."""
        return [cell for cell in self.cells if cell.distance.value is not None]

    @property
    def beyond_chance(self) -> int:
        """How many distances are so large that one in twenty would be by chance."""
        return sum(cell.distance.p is not None and cell.distance.p < LEVEL for cell in self.told)

    @property
    def warnings(self) -> list[str]:
        """What every page must say at its top."""
        lines = []
        if self.smoke:
            where = " of smoke" if self.told else ""
            lines.append(f"smoke run: tiny budgets, no result of any method, no distances{where}")
        if self.stand_in:
            lines.append("embedded stand-in: no language model answered, no distances where it did")
        return lines


def outcome_of(part: Part, cells: Sequence[Compared], context: Context, *, smoke: bool) -> Outcome:
    """Return the cells with their reasons; those of smoke and of stand-ins without distances."""
    whys = [SMOKE if smoke or cell.is_smoke else STAND_IN if cell.is_stand_in else "" for cell in cells]
    kept = [
        replace(cell, distance=Distance(why=why)) if why and cell.ours is not None else cell
        for cell, why in zip(cells, whys, strict=True)
    ]
    reasons = [[] if why else reasons_of(cell, context) for cell, why in zip(kept, whys, strict=True)]
    models = dict.fromkeys(run.model for cell in kept for run in cell.runs)
    stand_in = any(cell.is_stand_in for cell in kept)
    return Outcome(part, kept, reasons, SMOKE in whys, stand_in, list(models))


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the cells as a JSON object; what is not known is null."""
    cells = [_record(cell, why) for cell, why in zip(outcome.cells, outcome.reasons, strict=True)]
    return {
        "schema": SCHEMA_VERSION,
        "paper": outcome.part.paper,
        "table": outcome.part.name,
        "source": outcome.part.source,
        "smoke": outcome.smoke,
        "stand_in": outcome.stand_in,
        "cells": cells,
    }


def _record(cell: Compared, reasons: Sequence[str]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, figure in (("ours", cell.ours), ("published", cell.published)):
        keys = ("mean", "std", "of", "label")
        figures[name] = None if figure is None else {key: getattr(figure, key) for key in keys}
    return {
        "group": cell.group,
        "row": cell.row,
        "column": cell.column,
        "environment": cell.environment,
        "method": cell.method,
        **figures,
        "distance": cell.distance.value,
        "p": cell.distance.p,
        "no_distance": cell.distance.why or None,
        "reasons": list(reasons),
    }


def as_csv(outcome: Outcome) -> str:
    """Return a row for each cell; what is not known is empty."""
    heading = ["group", "row", "column", "ours", "ours_of", "published", "published_of", "distance", "p", "no_distance"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*heading, "smoke", "stand_in"])
    marks = [str(outcome.smoke).lower(), str(outcome.stand_in).lower()]
    for cell in outcome.cells:
        figures = [text for each in (cell.ours, cell.published) for text in (each and each.text, each and each.of)]
        far = [cell.distance.value, cell.distance.p, cell.distance.why]
        row = [cell.group, cell.row, cell.column, *figures, *far, *marks]
        writer.writerow([csv_cell(value) if isinstance(value, str) else value for value in row])
    return buffer.getvalue()


def tables_of(outcome: Outcome) -> Mapping[str, tuple[list[str], dict[str, dict[str, int]]]]:
    """Return, by group, the columns in their order, and by row and column the number of the cell."""
    groups: dict[str, tuple[list[str], dict[str, dict[str, int]]]] = {}
    for number, cell in enumerate(outcome.cells):
        columns, rows = groups.setdefault(cell.group, ([], {}))
        if cell.column not in columns:
            columns.append(cell.column)
        rows.setdefault(cell.row, {})[cell.column] = number
    return groups
