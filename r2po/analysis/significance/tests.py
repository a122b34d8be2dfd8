"""Is R2PO better than its baselines beyond chance? A test per environment and baseline, corrected by family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from r2po.analysis.logs.built_in import BASELINES, BUILT_IN, OURS, method_facts
from r2po.analysis.significance.effects import Effect, effect_of
from r2po.analysis.significance.groups import Group, can_pair, pairs
from r2po.analysis.significance.rules import Mode, Rules
from r2po.analysis.statistics.holm import bonferroni, holm
from r2po.analysis.statistics.paired import paired_t, sign_flip_test
from r2po.analysis.statistics.permutation import Permutation, permutation_test
from r2po.analysis.statistics.welch import TTest, welch
from r2po.rounding import first_largest, levelled
from r2po.runlog.facts import TaskFacts


@dataclass(frozen=True)
class Comparison:
    """R2PO against one baseline on one environment.

    Attributes:
        task: The environment.
        baseline: The baseline; None if there is none.
        ours: R2PO; None if there is none.
        paired: Whether runs of equal seeds are pairs.
        test: The t-test, Welch's or the paired one; None where something is missing.
        permutation: The permutation test, of all values or of the signs of pairs, likewise.
        p: What the test says: p of the t-test; where nothing varies, that of the permutation test.
        choice: What its p-values are multiplied by, since the baseline was chosen by its values.
        is_primary: Whether it was declared beforehand.
        family: Number of tests in its family.
        holm_p: p, times ``choice``, corrected for the tests of its family; None where something is missing.
        corrected_p: The same with the correction that was declared for it, which is Holm's if none was.
        notes: What is missing, left out or to be known of the test.
    """

    task: TaskFacts
    baseline: Group | None
    ours: Group | None
    paired: bool = False
    test: TTest | None = None
    permutation: Permutation | None = None
    p: float | None = None
    choice: int = 1
    is_primary: bool = False
    family: int = 0
    holm_p: float | None = None
    corrected_p: float | None = None
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

    @cached_property
    def effect(self) -> Effect | None:
        """How large the difference is; None where nothing was tested."""
        if self.ours is None or self.baseline is None or self.test is None:
            return None
        return effect_of(self.ours, self.baseline, self.test, pairs(self.ours, self.baseline) if self.paired else None)

    @property
    def chosen_p(self) -> float | None:
        """p, corrected for the choice of the baseline."""
        return None if self.p is None else min(1.0, self.p * self.choice)

    @property
    def chosen_permutation_p(self) -> float | None:
        """P of the permutation test, corrected for the choice of the baseline."""
        return None if self.permutation is None else min(1.0, self.permutation.p * self.choice)


def compare(
    environments: Sequence[tuple[TaskFacts, Sequence[Group]]],
    mode: Mode,
    rules: Rules | None = None,
    metric: str = "",
) -> list[Comparison]:
    """Test R2PO against baselines, environment by environment.

    Args:
        environments: Environments with the groups found there, in the order of the rows.
        mode: "best": against the baseline with the largest mean, one family over all environments; "all": against
            each baseline, one family per method.
        rules: How tests are made.
        metric: What the values are, for a comparison that was declared.

    Returns:
        A row for each test, and one for each that could not be made.
    """
    rules = rules or Rules()
    families = families_of([group for _, groups in environments for group in groups], rules.methods)
    rows: list[Comparison] = []
    for task, groups in environments:
        ours = next((group for group in groups if group.method == OURS and group.values), None)
        candidates, notes = _candidates(groups, families)
        chosen = candidates
        if mode == "best" and candidates:
            chosen = [first_largest(candidates, lambda group: group.mean)]
        no_ours = _missing(OURS, "R2PO", groups)
        rows += [_comparison(task, baseline, ours, no_ours, rules) for baseline in chosen]
        if not chosen:
            missing = () if ours else (no_ours,)
            rows.append(Comparison(task, None, ours, notes=(*missing, "no runs of a baseline to compare with")))
        elif mode == "best":
            row = rows[-1] if rules.as_published else _for_choice(rows[-1], len(candidates))
            rows[-1] = replace(row, notes=row.notes + notes)
        else:
            rows += [Comparison(task, None, ours, notes=(note,)) for note in notes]
    return _corrected(rows, mode, rules, metric)


def families_of(groups: Iterable[Group], methods: Sequence[str] = ()) -> dict[str, str]:
    """Return the methods that R2PO is tested against here, in order, each with the label of its family.

    Args:
        groups: What was found.
        methods: Their order; by default that of the baselines, then by name.
    """
    labels = {group.method: group.label for group in groups if group.method != OURS}
    labels |= {method: method_facts(method)["label"] for method in labels if method in BUILT_IN}
    order = methods or [*BASELINES, *sorted(labels.keys() - {*BASELINES})]
    return {method: labels[method] for method in order if method in labels}


def _candidates(groups: Sequence[Group], families: Mapping[str, str]) -> tuple[list[Group], tuple[str, ...]]:
    """Return the baselines with values, and what is missing of those that other environments have."""
    order = list(families)
    baselines = [group for group in groups if group.method in families and group.values]
    ordered = sorted(baselines, key=lambda group: (order.index(group.method), group.label))
    found = {group.method for group in ordered}
    return ordered, tuple(_missing(each, label, groups) for each, label in families.items() if each not in found)


def _missing(method: str, label: str, groups: Sequence[Group]) -> str:
    if any(group.method == method for group in groups):
        return f"no run of {label} has this metric"
    return f"no runs of {label}"


def _comparison(task: TaskFacts, baseline: Group, ours: Group | None, missing: str, rules: Rules) -> Comparison:
    notes = tuple(f"{baseline.label}: {note}" for note in baseline.notes)
    if ours is None:
        return Comparison(task, baseline, None, notes=(missing, *notes))
    notes += tuple(f"R2PO: {note}" for note in ours.notes)
    pairing = rules.pairing and not rules.as_published
    both = pairs(ours, baseline) if pairing else None
    if both is None:
        test = welch(ours.values, baseline.values)
        permutation = permutation_test(ours.values, baseline.values)
    else:
        test, permutation = paired_t(*both), sign_flip_test(*both)
    p = test.p
    if test.too_few:
        notes = ("fewer than two runs, nothing tested", *notes)
    elif pairing and both is None and can_pair(ours, baseline):
        notes = ("not paired: not every run of either has one of the other with its seed", *notes)
    if test.degenerate:
        remark = "no variance in either, t is infinite"
        if not rules.as_published:
            p = permutation.p
            what = "no variance of the differences" if both else "no variance in either"
            remark = f"{what}: p is that of the permutation test, which cannot be below {permutation.floor:.2g} here"
        notes = (remark, *notes)
    return Comparison(task, baseline, ours, both is not None, test, permutation, p, notes=notes)


def _for_choice(row: Comparison, candidates: int) -> Comparison:
    """Correct p for the choice of the best baseline.

    The choice favours the baseline: R2PO may be worse than it by chance alone. The smallest of k p-values, times k, is
    a valid p; so is therefore that of the chosen one. If R2PO is better in spite of the choice, p is valid as it is.
    """
    if row.test is None or row.test.too_few or candidates < 2 or row.gap is None or row.gap >= 0:
        return row
    note = f"worse than the best of {candidates} baselines, which was chosen by its values: p times {candidates}"
    return replace(row, choice=candidates, notes=(note, *row.notes))


def _corrected(rows: Sequence[Comparison], mode: Mode, rules: Rules, metric: str) -> list[Comparison]:
    """Fill in the corrected p, family by family; a test that could not be made belongs to none."""
    families: dict[str, dict[int, float]] = {}
    primary = rules.primary
    for index, row in enumerate(rows):
        if row.baseline is not None and row.chosen_p is not None:
            declared = primary is not None and primary.covers(metric, mode, row.baseline.method)
            name = "primary" if declared else row.baseline.method if mode == "all" else "best"
            families.setdefault(name, {})[index] = row.chosen_p
    result = list(rows)
    for name, tests in families.items():
        values = [*tests.values()]
        declared = primary is not None and name == "primary"
        correct = bonferroni if primary is not None and declared and primary.correction == "bonferroni" else holm
        both = zip(tests, holm(values).tolist(), correct(values).tolist(), strict=True)
        for index, holm_p, corrected_p in both:
            changes = {"is_primary": declared, "family": len(values), "holm_p": holm_p, "corrected_p": corrected_p}
            result[index] = replace(rows[index], **changes)
    return result
