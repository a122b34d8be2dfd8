"""Salience and edit patterns as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from r2po.analysis.logs.run_data import MethodOnTask
from r2po.analysis.output.tables import Cell, Table, decimals
from r2po.analysis.published import SOURCE, PublishedSalience, published_salience
from r2po.analysis.salience.counts import DIRECTION_LABELS, DIRECTIONS, Salience
from r2po.analysis.salience.edits import CATEGORIES, PUBLISHED_RULES, Direction, EditRules
from r2po.analysis.salience.revisions import Revision
from r2po.analysis.statistics.proportions import OddsRatio

MODES = {"word": 'the word "worst"', "phrase": '"worst rollout" or "worst trajectory"'}

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


def headline_table(analyses: Sequence[Salience], mode: str, notes: Sequence[str], *, with_reference: bool) -> Table:
    """Return the published counts: how many regressions have each sign. Shares are of the regressions."""
    columns = ["Environment", "method", "iterations", "regressions", "old proxy", "strict proxy"]
    columns += ["old + mention", "strict + mention"]
    rows = []
    for each in analyses:
        counts = each.counts["regression"]
        shown = counts.total - counts.without_returns
        heard = shown - counts.without_reply
        cells = [_known_cell(number, shown, counts.total) for number in (counts.old, counts.strict)]
        mentions = (counts.old_mention, counts.strict_mention) if each.has_critic else (None, None)
        cells += [_known_cell(number, heard, counts.total) for number in mentions]
        rows.append([*_names(each), str(each.iterations), str(counts.total), *cells])
        published = published_salience().get(each.environment) if each.method == "three_traj" else None
        if with_reference and published is not None:
            rows.append(_published_row(each, published))
    reference = []
    if with_reference:
        source = f"{SOURCE[0].upper()}{SOURCE[1:]}"
        reference = [f"{source}; z: our share of strict + mention minus the published one in standard errors"]
    text = f"Mention: the critic's reply has {MODES[mode]}; only where there is a critic"
    return Table("Salience bias: signs among regressions", columns, rows, [PROXIES, text, *reference, *notes])


def _published_row(ours: Salience, published: PublishedSalience) -> list[Cell | str]:
    numbers = (published.old, published.strict, published.old_mention, published.strict_mention)
    *cells, last = [_share_cell(number, published.regressions) for number in numbers]
    z = _share_z(ours, published)
    last = Cell(last.text, (*last.below, *(() if z is None else (f"z = {z:.1f}",))), plain=last.plain)
    return ["", "published", str(published.iterations), str(published.regressions), *cells, last]


def _share_z(ours: Salience, published: PublishedSalience) -> float | None:
    counts = ours.counts["regression"]
    if not counts.total:
        return None
    one = counts.strict_mention / counts.total
    other = published.strict_mention / published.regressions
    squares = one * (1 - one) / counts.total + other * (1 - other) / published.regressions
    return float((one - other) / np.sqrt(squares)) if squares else None


def controls_table(analyses: Sequence[Salience], mode: str, notes: Sequence[str]) -> Table:
    """Return the share of iterations with the headline's sign in each direction, and the odds ratios."""
    shares = [DIRECTION_LABELS[each] for each in DIRECTIONS]
    columns = ["Environment", "method", "sign", *shares, "odds ratio to improvements", "odds ratio to all others"]
    rows: list[list[Cell | str]] = []
    for each in analyses:
        sign = "strict + mention" if each.has_critic else "strict proxy"
        cells = [_interval_share(each, direction) for direction in DIRECTIONS]
        ratios = [_odds_cell(each.against("improvement")), _odds_cell(each.against("improvement", "no_change"))]
        rows.append([*_names(each), sign, *cells, *ratios])
    texts = [
        f"Share of iterations with the sign: worst < median and, where there is a critic, a mention ({MODES[mode]})",
        "In brackets 95 % intervals, Wilson's and Woolf's, wider where iterations of a run are alike",
        "Marked * where a count is 0 (1/2 is added to each), † where one of the groups is found in a single run: "
        "there, iterations pass for independent",
        "A sign that is as frequent among improvements says nothing about regressions: the odds ratio is then 1",
    ]
    return Table("Salience bias: regressions against control groups", columns, rows, [*texts, *notes])


def _interval_share(analysis: Salience, direction: Direction) -> Cell:
    interval = analysis.share_interval(direction)
    if interval is None:
        return Cell("")
    signs, known = analysis.signs(direction), analysis.known(direction)
    low, high = (f"{100 * end:.0f}" for end in interval)
    text = f"{signs} of {known}"
    return Cell(text, (f"{100 * signs / known:.1f} % [{low}, {high}]",), plain=text)


def _odds_cell(ratio: OddsRatio | None) -> Cell:
    if ratio is None:
        return Cell("")
    mark = "*" if ratio.corrected else "" if ratio.clustered else "†"
    interval = f"[{ratio.low:.3g}, {ratio.high:.3g}]"
    return Cell(f"{ratio.value:.3g}{mark}", (interval,), plain=f"{ratio.value:.6g}{mark}")


def noise_table(analyses: Sequence[Salience], notes: Sequence[str]) -> Table:
    """Return how many changes are more than noise of the rollouts."""
    columns = ["Environment", "method", "regressions", "beyond noise", "of them strict", "of them strict + mention"]
    columns += ["improvements", "beyond noise "]
    rows: list[list[Cell | str]] = []
    for each in analyses:
        down, up = each.counts["regression"], each.counts["improvement"]
        mention = down.strict_mention_beyond_noise if each.has_critic else None
        cells = [
            _share_cell(down.beyond_noise, down.with_noise),
            _share_cell(down.strict_beyond_noise, down.beyond_noise),
            _share_cell(mention, down.beyond_noise),
        ]
        last = _share_cell(up.beyond_noise, up.with_noise)
        rows.append([*_names(each), str(down.total), *cells, str(up.total), last])
    text = (
        "Beyond noise: the 95 % bootstrap interval of the change of mean return excludes 0; resampled are the "
        "returns of both policies, in pairs where both were tried on the same seeds (controlled protocol), else each "
        "by itself"
    )
    about = "Of policies that are equally good, some 3 % pass for worse and as many for better (with 20 rollouts)"
    return Table("Salience bias: changes beyond noise", columns, rows, [text, about, *notes])


def groups_table(revisions: Sequence[Sequence[Revision]], notes: Sequence[str]) -> Table:
    """Return the reward groups of each analysis."""
    columns = ["Environment", "method", "group", "iterations", "worst", "median", "best", "initial", "revised"]
    columns.append("change")
    rows = [
        [*_names(found[0]), GROUPS[key], _share_cell(number, known), *map(decimals, means)]
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


def edits_table(
    revisions: Sequence[Sequence[Revision]], notes: Sequence[str], rules: EditRules = PUBLISHED_RULES
) -> Table:
    """Return the edit patterns: category by category, and the mean size of edits."""
    columns = ["Environment", "method", "direction", "pattern", "iterations", "changed parameters", "L2", "largest"]
    columns.append("change of reward")
    rows: list[list[Cell | str]] = []
    for found in revisions:
        known = [each for each in found if each.edit is not None]
        for direction in DIRECTIONS:
            same = [each for each in known if each.direction == direction]
            labels = {None: "all"} | dict(CATEGORIES.get(direction, {}))
            for key, label in labels.items():
                members = [each for each in same if key in (None, each.category)]
                if members:
                    total = len(known) if key is None else len(same)
                    head = [*_names(members[0]), DIRECTION_LABELS[direction], label]
                    rows.append([*head, _share_cell(len(members), total), *_edit_means(members)])
    text = (
        f"Means over the iterations. {_counts_as_changed(rules)}. Thresholds of the patterns are those of "
        f"docs/statistics.md{_other_thresholds(rules)}; environments without any use CartPole's. Shares: of the "
        "iterations, and of those in the same direction"
    )
    return Table("Edit patterns of revisions", columns, rows, [text, *notes])


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


def _names(rows: MethodOnTask) -> list[Cell | str]:
    return [rows.task["label"], rows.facts["label"]]


def _known_cell(number: int | None, known: int, total: int) -> Cell:
    """Return a share of those iterations of which it is known; says so if these are not all."""
    if number is None or known == total:
        return _share_cell(number, total)
    if not known:
        return Cell("", ("not on record",), plain="")
    cell = _share_cell(number, known)
    return Cell(cell.text, (*cell.below, f"of {known} on record"), plain=cell.plain)


def _share_cell(number: int | None, total: int) -> Cell:
    if number is None:
        return Cell("")
    share = f"{100 * number / total:.1f} %" if total else ""
    return Cell(str(number), (share,) if share else (), plain=str(number))
