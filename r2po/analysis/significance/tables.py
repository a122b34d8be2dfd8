"""The significance tests as tables: the tests, the effects behind them, and the published tests beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from r2po.analysis.logs.built_in import BASELINES, method_facts
from r2po.analysis.logs.experiments import Cohort
from r2po.analysis.output.scores import FEW_MARK, FEW_RUNS, p_text
from r2po.analysis.output.tables import Cell, Table, decimals
from r2po.analysis.published import SOURCE
from r2po.analysis.significance.effects import Effect
from r2po.analysis.significance.groups import Group
from r2po.analysis.significance.reference import Counterpart, counterparts
from r2po.analysis.significance.report import METRIC_LABELS, name_of_test, roles
from r2po.analysis.significance.rules import FORM, Mode, Rules
from r2po.analysis.significance.tests import Comparison, families_of
from r2po.analysis.statistics.bootstrap import ConfidenceInterval

Parts = Sequence[tuple[Cohort | None, Sequence[Comparison]]]
"""The rows of each cohort."""

TEST_COLUMNS = ("test", "R2PO", "baseline", "gap", "t", "p", "Holm p", "permutation p")
EFFECT_COLUMNS = ("gap [95 %]", "Hedges' g [95 %]", "P(R2PO better) [95 %]", "detectable gap", "detectable g")
REFERENCE_COLUMNS = ("published gap", "published t", "published p", "published Holm p", "our Holm p", "difference")
PUBLISHED_COLUMNS = (*REFERENCE_COLUMNS[:4], "z of the gap")

TEXTS = ("Environment", "Baseline", "test", "role")
"""Columns that hold no numbers."""

CALL = f"Nothing was declared primary. To declare one comparison before its results are known: --primary {FORM}"

Cells = list[Cell | str]


@dataclass(frozen=True)
class Report:
    """All rows of all cohorts, how they came about, and what else must be known of their values.

    Figures, which have no notes of single rows, name the ``conditions`` of each cohort.
    """

    parts: Parts
    metric: str
    mode: Mode
    rules: Rules
    with_reference: bool = False
    notes: Sequence[str] = ()
    conditions: Sequence[Sequence[str]] = ()

    @property
    def tables(self) -> list[Table]:
        """The tables, each with the notes that it needs; all but the first without rows that say nothing."""
        first, *more = self._whole_tables
        told = (replace(table, rows=[row for row in table.rows if any(_texts(row[2:]))]) for table in more)
        return [first, *(table for table in told if table.rows)]

    @property
    def _whole_tables(self) -> list[Table]:
        """The tables, all with a row per test in the same order."""
        tables = [self._table("", self._test_columns, self._tests(), self._test_notes())]
        if not self.rules.as_published:
            tables.append(self._table(", effects", EFFECT_COLUMNS, self._effects(), self._effect_notes()))
        if self.with_reference:
            columns = PUBLISHED_COLUMNS if self.rules.as_published else REFERENCE_COLUMNS
            notes = _reference_notes(as_published=self.rules.as_published)
            tables.append(self._table(", beside the published tests", columns, self._reference(), notes))
        return tables

    @property
    def one_table(self) -> Table:
        """All of it in one table, which is wide: for CSV."""
        tables = self._whole_tables
        first, *more = tables
        columns = list(chain(first.columns, *(table.columns[2:] for table in more)))
        all_rows = zip(*(table.rows for table in tables), strict=True)
        rows = [list(chain(row[0], *(each[2:] for each in row[1:]))) for row in all_rows]
        return Table(first.title, columns, rows, first.notes)

    @property
    def title(self) -> str:
        """Title of tables and figures."""
        return title(self.metric, self.mode, self.rules, [row for _, rows in self.parts for row in rows])

    def _table(self, what: str, columns: Sequence[str], cells: Sequence[Cells], notes: Sequence[str]) -> Table:
        body = []
        marks: dict[str, str] = {}
        for (names, row), more in zip(self._named(), cells, strict=True):
            body.append([names, _baseline_cell(row, marks, with_notes=not what), *more])
        signs = [f"{mark} {note}" for note, mark in marks.items()]
        headings = ("Environment", "Baseline", *columns)
        texts = [number for number, name in enumerate(headings) if name in TEXTS]
        return Table(f"{self.title}{what}", headings, body, [*notes, *signs], texts=texts)

    def _named(self) -> list[tuple[Cell, Comparison]]:
        several = len(self.parts) > 1
        return [
            (Cell(row.task["label"], (cohort.label if cohort else "",) if several else ()), row)
            for cohort, rows in self.parts
            for row in rows
        ]

    def _each(self, cells: Callable[[Comparison], Cells]) -> list[Cells]:
        return [cells(row) for _, rows in self.parts for row in rows]

    @property
    def _test_columns(self) -> Sequence[str]:
        declared = self.rules.primary
        columns = [self._corrected if each == "Holm p" else each for each in TEST_COLUMNS]
        return [*columns, "role"] if declared else columns

    @property
    def _corrected(self) -> str:
        """Name of the column of corrected p-values, all of which are Holm's unless others were declared."""
        is_primary = any(row.is_primary for _, rows in self.parts for row in rows)
        others = is_primary and self.rules.primary and self.rules.primary.correction != "holm"
        return "corrected p" if others else "Holm p"

    def _tests(self) -> list[Cells]:
        said = [role for _, rows in self.parts for role in roles(rows, self.rules)]
        cells = self._each(_test_cells)
        return [[*each, role] for each, role in zip(cells, said, strict=True)] if self.rules.primary else cells

    def _effects(self) -> list[Cells]:
        return self._each(lambda row: _effect_cells(row.effect, row.family))

    def _reference(self) -> list[Cells]:
        published = self.rules.as_published
        found = (counterparts(rows, self.metric, as_published=published) for _, rows in self.parts)
        return [_reference_cells(each, as_published=published) for each in chain(*found)]

    def _test_notes(self) -> list[str]:
        labels = "; ".join(cohort.label for cohort, _ in self.parts if cohort)
        notes = [
            "Mean ± sample standard deviation over runs (their number); gap: R2PO minus baseline",
            f"t, p: two-sided test on per-run values; {self._family_note()}",
            "permutation p: all splits of the runs, or signs of the pairs, up to 200,000, else 99,999 at random; of 3 "
            "against 3 runs at least 0.1, of 3 pairs at least 0.25",
        ]
        if self.mode == "best":
            notes.append(_choice_note(as_published=self.rules.as_published))
        return [*notes, *([f"Runs: {labels}"] if labels else []), *self.notes, *self._declared()]

    def _family_note(self) -> str:
        found = [row.baseline for _, rows in self.parts for row in rows if row.baseline]
        known = {} if self.rules.methods else {name: method_facts(name)["label"] for name in BASELINES}
        *most, last = [*(known | families_of(found, self.rules.methods)).values()] or [""]
        several = self.mode == "all" and most
        apart = f", apart for {', '.join(most)} and {last}" if several else ""
        how = "corrected" if self._corrected == "Holm p" else "corrected by Holm's method, if exploratory"
        return f"{self._corrected}: {how}, over the environments{apart}"

    def _effect_notes(self) -> list[str]:
        notes = [
            "Intervals: 95 %. gap: that of the t-test; Hedges' g: gap in pooled standard deviations, noncentral t",
            "P(R2PO better): that a run of R2PO is above one of the baseline, ties half; Newcombe's interval, of "
            "5 or more pairs a joint bootstrap",
            "Detectable: the smallest gap that is found in 80 % of all cases with these runs and spreads, at the level "
            "0.05 / number of tests of the family",
        ]
        if any(row.effect and row.effect.is_of_few for _, rows in self.parts for row in rows):
            notes.append(f"{FEW_MARK} Fewer than {FEW_RUNS} runs on a side: the intervals hold only for normal values")
        if self.mode == "best":
            notes.append("Effects against the best baseline lean against R2PO, since it was chosen by these values")
        return notes

    def _declared(self) -> list[str]:
        primary = self.rules.primary
        if primary is None:
            return [] if self.rules.as_published else [CALL]
        family = {"best": "the best baseline of each environment", "all": "all baselines on all environments"}
        what = family.get(primary.family) or f"{method_facts(primary.family)['label']} on all environments"
        correction = primary.correction.capitalize()
        said = f"Declared primary: {METRIC_LABELS[primary.metric]} against {what}, one family, {correction}"
        return [f"{said}. All else is exploratory"]


def title(metric: str, mode: Mode, rules: Rules, rows: Sequence[Comparison]) -> str:
    """Return the title of table and figure."""
    against = "the best baseline" if mode == "best" else "each baseline"
    said = {role for role in roles(rows, rules) if role}
    mark = f" ({', '.join(sorted(said, reverse=True))})" if said else ""
    return f"R2PO against {against}: {METRIC_LABELS[metric]}{mark}"


def _texts(cells: Sequence[Cell | str]) -> list[str]:
    return [cell.text if isinstance(cell, Cell) else cell for cell in cells]


def _baseline_cell(row: Comparison, marks: dict[str, str], *, with_notes: bool) -> str:
    notes = row.notes if with_notes else ()
    signs = " ".join(marks.setdefault(note, f"({_letter(len(marks))})") for note in notes)
    return f"{row.baseline.label if row.baseline else ''} {signs}".strip()


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else str(index)


def _test_cells(row: Comparison) -> Cells:
    test = row.test
    return [
        name_of_test(row),
        _group_text(row.ours),
        _group_text(row.baseline),
        "" if row.gap is None else decimals(row.gap),
        "" if test is None else f"{test.t:.2f}".replace("inf", "∞"),
        "" if row.chosen_p is None else p_text(row.chosen_p),
        "" if row.corrected_p is None else p_text(row.corrected_p),
        "" if row.chosen_permutation_p is None else p_text(row.chosen_permutation_p),
    ]


def _group_text(group: Group | None) -> str:
    if group is None:
        return ""
    spread = "" if group.std is None else f" ± {decimals(group.std)}"
    return f"{decimals(group.mean)}{spread} ({len(group.values)})"


def _effect_cells(effect: Effect | None, tests: int) -> Cells:
    if effect is None:
        return [""] * len(EFFECT_COLUMNS)
    mark = f" {FEW_MARK}" if effect.is_of_few else ""
    gap = effect.detectable(tests)
    return [
        *(_interval_cell(each, mark) for each in (effect.gap, effect.g, effect.improvement)),
        "" if gap is None else decimals(gap),
        "" if gap is None else decimals(gap / effect.std),
    ]


def _interval_cell(interval: ConfidenceInterval | None, mark: str) -> Cell:
    if interval is None:
        return Cell("")
    text = f"{decimals(interval.value)} [{decimals(interval.low)}, {decimals(interval.high)}]"
    return Cell(text + mark, plain=text)


def _reference_cells(found: Counterpart | None, *, as_published: bool) -> Cells:
    if found is None:
        return [""] * len(PUBLISHED_COLUMNS if as_published else REFERENCE_COLUMNS)
    test = found.published
    numbers: Cells = [f"{test.gap:.2f}", f"{test.t:.2f}", p_text(test.p), p_text(test.holm_p)]
    if as_published:
        return [*numbers, "" if found.z is None else f"{found.z:.1f}"]
    difference = found.difference
    said = "" if difference is None else f"t = {difference.t:+.2f}, p = {p_text(difference.p)}"
    return [*numbers, "" if found.holm_p is None else p_text(found.holm_p), said]


def _choice_note(*, as_published: bool) -> str:
    because = "The best baseline is chosen by the values that it is tested with"
    if as_published:
        return f"{because}: where R2PO is worse, all p are too small"
    return (
        f"{because}: where R2PO is worse, p and permutation p are multiplied by the number of baselines it was chosen "
        "from. --comparison-mode all tests each"
    )


def _reference_notes(*, as_published: bool) -> list[str]:
    source = f"{SOURCE[0].upper()}{SOURCE[1:]}"
    if as_published:
        return [f"{source}; z: our gap minus the published one in standard errors of both"]
    same = (
        "our Holm p: over the tests of the published family, one baseline on the ten environments, of SB3 the best "
        "algorithm of each; empty where ours are others, and the two cannot be compared"
    )
    return [f"{source}; difference: Welch's t of our gap minus the published one, from 2 runs", same]
