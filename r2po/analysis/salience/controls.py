"""Regressions beside improvements, and beside the noise of the rollouts, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from r2po.analysis.output.tables import Cell, Table
from r2po.analysis.salience.cells import ABOUT_SHARES, MODES, names, share_cell
from r2po.analysis.salience.counts import DIRECTION_LABELS, Salience
from r2po.analysis.salience.returns import FEWEST_ROLLOUTS
from r2po.analysis.salience.signs import DIRECTIONS, Comparison, Share
from r2po.analysis.statistics.noise import false_alarms
from r2po.analysis.statistics.odds import OddsRatio

MOST_DESIGNS = 4
"""Numbers of rollouts that a note names one by one."""

_ABOUT_ODDS = (
    "In brackets 95 % intervals, wider where iterations of a run are alike",
    "Marked * where a count is 0 (1/2 is added), † where one of the groups is found in a single run: there, iterations "
    "pass for independent",
)


def split_table(analyses: Sequence[Salience], mode: str, notes: Sequence[str]) -> Table:
    """Return the sign's share in each direction and its odds ratio, both from rollouts of their own."""
    columns = [
        "Environment",
        "method",
        *(f"strict proxy: {label}" for label in _shares()),
        "odds ratio to improvements",
    ]
    columns += ["with mention: regressions", "with mention: improvements"]
    rows = [_split_row(each) for each in analyses]
    texts = [
        "Strict proxy: worst < median of the proposal's returns in rollouts 0, 2, 4, ...; the direction is that of the "
        "mean return over rollouts 1, 3, 5, ... of both policies: of equally good policies, the odds ratio is 1",
        f"With mention: the critic also speaks of the worst ({MODES[mode]}). It has seen all rollouts, those of the "
        "direction too: even of equally good policies these shares can differ, so that there is no odds ratio",
        "Odds are compared within fifths of the proposal's mean return over rollouts 0, 2, 4, ..., in each environment "
        "(Mantel and Haenszel)",
        *_ABOUT_ODDS,
        f"At least {FEWEST_ROLLOUTS} rollouts of each policy are needed; with fewer it cannot be computed",
        ABOUT_SHARES,
    ]
    return Table("Salience bias: regressions against improvements", columns, rows, [*texts, *notes])


def _split_row(analysis: Salience) -> list[Cell | str]:
    split = analysis.split
    assert split is not None
    head = names(analysis)
    if split.proxy.is_empty:
        reason = f"cannot be computed: fewer than {FEWEST_ROLLOUTS} rollouts on record"
        return [*head, Cell("", (reason,), plain=""), *([""] * 5)]
    row = [*head, *_share_cells(split.proxy), _odds_cell(split.proxy.to_improvements)]
    if split.mention is None:
        return [*row, "", ""]
    return [*row, _of(split.mention["regression"]), _of(split.mention["improvement"])]


def same_table(analyses: Sequence[Salience], mode: str, notes: Sequence[str]) -> Table:
    """Return the sign's share in each direction and its odds ratios, where all rollouts make both."""
    columns = ["Environment", "method", "sign", *_shares(), "odds ratio to improvements", "odds ratio to all others"]
    rows: list[list[Cell | str]] = [
        [
            *names(each),
            _sign(each),
            *_share_cells(each.same),
            _odds_cell(each.same.to_improvements),
            _odds_cell(each.same.to_others),
        ]
        for each in analyses
    ]
    texts = [
        _about_sign(mode),
        "Sign and direction come from the same rollouts, as in the published counts: even of equally good policies, "
        "the odds ratio can be far from 1",
        *_ABOUT_ODDS,
        ABOUT_SHARES,
    ]
    return Table("Salience bias: control groups of the published counts", columns, rows, [*texts, *notes])


def _shares() -> list[str]:
    return [DIRECTION_LABELS[each] for each in DIRECTIONS]


def _about_sign(mode: str) -> str:
    where = f"where there is a critic, a mention ({MODES[mode]})"
    return f"Share of iterations with the sign: worst < median of the proposal's returns and, {where}"


def _sign(analysis: Salience) -> str:
    return "strict + mention" if analysis.has_critic else "strict proxy"


def _share_cells(comparison: Comparison) -> list[Cell]:
    return [_of(comparison.shares[each]) for each in DIRECTIONS]


def _of(share: Share) -> Cell:
    cell = share_cell(share)
    if not cell.text:
        return cell
    text = f"{share.count} of {share.known}"
    unknown = (f"{share.unknown} not on record",) if share.unknown else ()
    return Cell(text, (cell.below[0], *unknown), plain=text)


def _odds_cell(ratio: OddsRatio | None) -> Cell:
    if ratio is None:
        return Cell("")
    mark = ("*" if ratio.corrected else "") + ("" if ratio.clustered else "†")
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
        cells = [share_cell(share) for share in (down.beyond_noise, down.strict_beyond_noise, mention)]
        rows.append([*names(each), str(down.total), *cells, str(up.total), share_cell(up.beyond_noise)])
    text = (
        "Beyond noise: the 95 % bootstrap interval of the change of mean return excludes 0; resampled are the "
        "returns of both policies, in pairs where both were tried on the same seeds (controlled protocol), else each "
        "by itself"
    )
    texts = [text, *_about_noise(analyses), ABOUT_SHARES]
    return Table("Salience bias: changes beyond noise", columns, rows, [*texts, *notes])


def _about_noise(analyses: Sequence[Salience]) -> list[str]:
    """Say how often no change passes for one with the rollouts that there are."""
    designs = sorted({design for each in analyses for design in each.noise}, key=lambda each: sum(each[:2]))
    if not designs:
        return []
    if len(designs) > MOST_DESIGNS:
        designs = [designs[0], designs[-1]]
    rates = "; ".join(f"{100 * false_alarms(*each) / 2:.1f} % with {_rollouts(*each)}" for each in designs)
    return [
        "Of policies that are equally good, so many pass for worse, and as many for better (simulated, with normally "
        f"distributed returns): {rates}"
    ]


def _rollouts(before: int, after: int, paired: bool) -> str:
    count = f"{before}" if before == after else f"{before} and {after}"
    return f"{count} rollouts{' in pairs' if paired else ''}"
