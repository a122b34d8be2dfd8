"""Is R2PO better than its baselines beyond chance? A test per environment and baseline, corrected by family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from r2po.analysis.logs.built_in import BASELINES, OURS, method_facts
from r2po.analysis.statistics.holm import holm
from r2po.analysis.statistics.permutation import Permutation, permutation_test
from r2po.analysis.statistics.welch import Welch, welch
from r2po.rounding import first_largest, levelled, mean, sample_std
from r2po.runlog.facts import GREY, Style, TaskFacts

Mode = Literal["best", "all"]


@dataclass(frozen=True)
class Group:
    """The values of one method on one environment, one per run.

    Attributes:
        method: Key of the method.
        label: Its name in tables, for SB3 with the algorithm, e.g. "SB3-PPO".
        values: Finite ones.
        notes: What was left out and why.
        style: How the method looks in figures.
    """

    method: str
    label: str
    values: tuple[float, ...]
    notes: tuple[str, ...] = ()
    style: Style = field(default_factory=lambda: GREY)

    @property
    def mean(self) -> float:
        """Mean over the runs."""
        return mean(self.values)

    @property
    def std(self) -> float | None:
        """Sample standard deviation over the runs; None of fewer than two."""
        return sample_std(self.values) if len(self.values) > 1 else None

    @property
    def squared_error(self) -> float | None:
        """Squared standard error of the mean; None of fewer than two runs."""
        return None if self.std is None else self.std**2 / len(self.values)


@dataclass(frozen=True)
class Comparison:
    """R2PO against one baseline on one environment.

    Attributes:
        task: The environment.
        baseline: The baseline; None if there is none.
        ours: R2PO; None if there is none.
        welch: The t-test; None where something is missing.
        permutation: The permutation test, likewise.
        holm_p: p of the t-test corrected for the tests of its family, likewise.
        notes: What is missing, left out or to be known of the test.
    """

    task: TaskFacts
    baseline: Group | None
    ours: Group | None
    welch: Welch | None = None
    permutation: Permutation | None = None
    holm_p: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def environment(self) -> str:
        """Short name of the environment."""
        return self.task["name"]

    @property
    def gap(self) -> float | None:
        """Mean of R2PO minus mean of the baseline."""
        if self.ours is None or self.baseline is None:
            return None
        ours, baseline = levelled([self.ours.mean], [self.baseline.mean])
        return float(ours[0] - baseline[0])


def compare(environments: Sequence[tuple[TaskFacts, Sequence[Group]]], mode: Mode) -> list[Comparison]:
    """Test R2PO against baselines, environment by environment.

    Args:
        environments: Environments with the groups found there, in the order of the rows.
        mode: "best": against the baseline with the largest mean, one family over all environments; "all": against
            each baseline, one family per method.

    Returns:
        A row for each test, and one for each that could not be made.
    """
    families = _families([group for _, groups in environments for group in groups])
    rows: list[Comparison] = []
    for task, groups in environments:
        ours = next((group for group in groups if group.method == OURS and group.values), None)
        chosen, notes = _choose(groups, mode, families)
        no_ours = _missing(OURS, "R2PO", groups)
        rows += [_comparison(task, baseline, ours, no_ours) for baseline in chosen]
        if not chosen:
            missing = () if ours else (no_ours,)
            rows.append(Comparison(task, None, ours, notes=(*missing, "no runs of a baseline to compare with")))
        elif mode == "best":
            rows[-1] = replace(rows[-1], notes=rows[-1].notes + notes)
        else:
            rows += [Comparison(task, None, ours, notes=(note,)) for note in notes]
    return _corrected(rows, mode)


def _families(groups: Sequence[Group]) -> dict[str, str]:
    """Return the methods that R2PO is tested against here, in order, each with the label of its family."""
    labels = {group.method: group.label for group in groups if group.method != OURS}
    known = {method: method_facts(method)["label"] for method in BASELINES if method in labels}
    return known | {method: labels[method] for method in sorted(labels.keys() - known.keys())}


def _choose(groups: Sequence[Group], mode: Mode, families: Mapping[str, str]) -> tuple[list[Group], tuple[str, ...]]:
    """Return the baselines to test against, and what is missing of those that other environments have."""
    order = list(families)
    baselines = [group for group in groups if group.method in families and group.values]
    ordered = sorted(baselines, key=lambda group: (order.index(group.method), group.label))
    found = {group.method for group in ordered}
    notes = tuple(_missing(each, label, groups) for each, label in families.items() if each not in found)
    if mode == "all" or not ordered:
        return ordered, notes
    return [first_largest(ordered, lambda group: group.mean)], notes


def _missing(method: str, label: str, groups: Sequence[Group]) -> str:
    if any(group.method == method for group in groups):
        return f"no run of {label} has this metric"
    return f"no runs of {label}"


def _comparison(task: TaskFacts, baseline: Group, ours: Group | None, missing: str) -> Comparison:
    notes = tuple(f"{baseline.label}: {note}" for note in baseline.notes)
    if ours is None:
        return Comparison(task, baseline, None, notes=(missing, *notes))
    notes += tuple(f"R2PO: {note}" for note in ours.notes)
    test = welch(ours.values, baseline.values)
    if test.too_few:
        notes = ("fewer than two runs, nothing tested", *notes)
    if test.degenerate:
        notes = ("no variance in either, t is infinite", *notes)
    permutation = permutation_test(ours.values, baseline.values)
    return Comparison(task, baseline, ours, welch=test, permutation=permutation, notes=notes)


def _corrected(rows: Sequence[Comparison], mode: Mode) -> list[Comparison]:
    """Fill in Holm's p, family by family; a test that could not be made belongs to none."""
    families: dict[str, dict[int, float]] = {}
    for index, row in enumerate(rows):
        if row.welch is not None and row.baseline is not None:
            families.setdefault(row.baseline.method if mode == "all" else "best", {})[index] = row.welch.p
    result = list(rows)
    for tests in families.values():
        for index, value in zip(tests, holm([*tests.values()]).tolist(), strict=True):
            result[index] = replace(rows[index], holm_p=value)
    return result
