"""Salience and edit patterns as tables: the published counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from r2po.analysis.output.scores import p_text
from r2po.analysis.output.tables import Cell, Table, decimals
from r2po.analysis.published import SOURCE, PublishedSalience, published_salience
from r2po.analysis.salience.beside import share_test
from r2po.analysis.salience.cells import ABOUT_SHARES, MODES, count_of, names, share_cell
from r2po.analysis.salience.counts import DIRECTION_LABELS, Salience
from r2po.analysis.salience.edits import CATEGORIES, RULES, EditRules
from r2po.analysis.salience.returns import Direction
from r2po.analysis.salience.revisions import Revision
from r2po.analysis.salience.signs import DIRECTIONS

GROUPS = {
    "identical": "worst = median = best",
    "worst_eq_median": "worst = median < best",
    "median_eq_best": "worst < median = best",
    "all_diverse": "worst < median < best",
}
"""Names of the reward groups."""

PROXIES = (
    "Regression: the revision's mean return is lower; old proxy: worst <= median and worst < best of the initial "
    "returns; strict proxy: worst < median"
)
NO_THRESHOLDS = "no thresholds: no random and target reward on record"
BOTH_FROM_SAME = (
    "Sign and direction come from the same rollouts, as published: even equally good policies give other shares among "
    "regressions than among improvements"
)


def headline_table(analyses: Sequence[Salience], mode: str, notes: Sequence[str], *, with_reference: bool) -> Table:
    """Return the published counts: how many regressions have each sign. Shares are of the regressions."""
    columns = ["Environment", "method", "iterations", "regressions", "old proxy", "strict proxy"]
    columns += ["old + mention", "strict + mention"]
    rows = []
    for each in analyses:
        counts = each.counts["regression"]
        mentions = (counts.old_mention, counts.strict_mention) if each.has_critic else (None, None)
        cells = [share_cell(share) for share in (counts.old, counts.strict, *mentions)]
        rows.append([*names(each), str(each.iterations), str(counts.total), *cells])
        published = published_salience().get(each.environment) if each.method == "three_traj" else None
        if with_reference and published is not None:
            rows.append(_published_row(each, published))
    reference = []
    if with_reference:
        source = f"{SOURCE[0].upper()}{SOURCE[1:]}"
        about = "t: our share of strict + mention minus the published one in standard errors, if both are equal, with "
        alike = "as many degrees of freedom as our runs less one; iterations of a run being as much alike there as here"
        reference = [f"{source}; {about}{alike}"]
    text = f"Mention: the critic's reply has {MODES[mode]}; only where there is a critic"
    texts = [PROXIES, text, ABOUT_SHARES, BOTH_FROM_SAME, *reference, *notes]
    return Table("Salience bias: signs among regressions", columns, rows, texts)


def _published_row(ours: Salience, published: PublishedSalience) -> list[Cell | str]:
    numbers = (published.old, published.strict, published.old_mention, published.strict_mention)
    *cells, last = [count_of(number, published.regressions) for number in numbers]
    test = share_test(ours.counts["regression"].strict_mention, published.strict_mention, published.regressions)
    told = () if test is None else (f"t = {test.t:+.2f}, p = {p_text(test.p)}",)
    last = Cell(last.text, (*last.below, *told), plain=last.plain)
    return ["", "published", str(published.iterations), str(published.regressions), *cells, last]


def groups_table(revisions: Sequence[Sequence[Revision]], notes: Sequence[str]) -> Table:
    """Return the reward groups of each analysis."""
    columns = ["Environment", "method", "group", "iterations", "worst", "median", "best", "initial", "revised"]
    columns.append("change")
    rows = [
        [*names(found[0]), GROUPS[key], count_of(number, known), *map(decimals, means)]
        for found in revisions
        for key, number, known, means in reward_groups(found)
    ]
    text = "Means over the iterations of the group, of worst, median and best initial return and of both mean returns"
    return Table("Reward groups of the initial rollouts", columns, rows, [text, *notes])


def reward_groups(revisions: Sequence[Revision]) -> Iterator[tuple[str, int, int, list[float]]]:
    """Yield each reward group that occurs: its key and iterations, the iterations with known returns, and its means.

    They are those of worst, median, best, initial, revised and change.
    """
    known = [(each.shown, each) for each in revisions if each.shown is not None]
    for key in GROUPS:
        members = [
            (shown.worst, shown.median, shown.best, each.initial, each.revised, each.delta)
            for shown, each in known
            if shown.group == key
        ]
        if members:
            yield key, len(members), len(known), np.mean(members, axis=0).tolist()


def edits_table(revisions: Sequence[Sequence[Revision]], notes: Sequence[str], rules: EditRules = RULES) -> Table:
    """Return the edit patterns: category by category, and the mean size of edits."""
    columns = ["Environment", "method", "direction", "pattern", "iterations", "changed parameters", "L2", "largest"]
    columns.append("change of reward")
    rows: list[list[Cell | str]] = []
    for found in revisions:
        known = [each for each in found if each.edit is not None]
        for direction in DIRECTIONS:
            same = [each for each in known if each.direction == direction]
            for key, label in _patterns(direction, found).items():
                members = [each for each in same if key in (None, each.category)]
                if members:
                    total = len(known) if key is None else len(same)
                    head = [*names(members[0]), DIRECTION_LABELS[direction], label]
                    rows.append([*head, count_of(len(members), total), *_edit_means(members)])
    others = "use CartPole's" if rules.as_published else "have some made from the random and the target reward"
    text = (
        f"Means over the iterations. {_counts_as_changed(rules)}. Thresholds of the patterns are the "
        f"published ones{_other_thresholds(rules)}; environments without {others}. Shares: of the "
        "iterations, and of those in the same direction"
    )
    return Table("Edit patterns of revisions", columns, rows, [text, *notes])


def _patterns(direction: Direction, found: Sequence[Revision]) -> dict[str | None, str]:
    """Return the patterns that an environment has, by key; without one, all iterations."""
    patterns = CATEGORIES.get(direction, {})
    if patterns and found and found[0].limits is None:
        return {None: f"all; {NO_THRESHOLDS}"}
    named: dict[str | None, str] = {None: "all"}
    return named | dict(patterns)


def _counts_as_changed(rules: EditRules) -> str:
    if rules.distance_mode == "discrete":
        return "A parameter counts as changed if it changed at all"
    if rules.distance_mode == "continuous":
        return f"A parameter counts as changed beyond {rules.epsilon:g}"
    beyond = f"A parameter of a linear policy counts as changed beyond {rules.epsilon:g}"
    return f"{beyond}, one of a table if it changed at all"


def _other_thresholds(rules: EditRules) -> str:
    named = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in rules.changes.items())
    return f", but for all environments {named}" if named else ""


def _edit_means(members: Sequence[Revision]) -> list[str]:
    values = [
        (each.edit.count, each.edit.l2, each.edit.largest, each.delta) for each in members if each.edit is not None
    ]
    return [decimals(value) for value in np.mean(values, axis=0).tolist()]
