"""What the tables of the salience analysis share: names of rows, and cells with shares."""

from __future__ import annotations

from r2po.analysis.logs.run_data import MethodOnTask
from r2po.analysis.output.tables import Cell
from r2po.analysis.salience.signs import Share

MODES = {"word": 'the word "worst"', "phrase": '"worst rollout" or "worst trajectory"'}

ABOUT_SHARES = (
    "In brackets 95 % intervals of shares over runs (beta-binomial); what is not on record counts for nothing"
)


def names(rows: MethodOnTask) -> list[Cell | str]:
    """Return the first two cells of a row."""
    return [rows.task["label"], rows.facts["label"]]


def share_cell(share: Share | None) -> Cell:
    """Return a share with its interval; it says so if it is not known of all."""
    if share is None or not (share.known or share.unknown):
        return Cell("")
    if share.value is None or share.interval is None:
        return Cell("", ("not on record",), plain="")
    low, high = (f"{100 * end:.3g}" for end in share.interval)
    below = [f"{100 * share.value:.1f} % [{low}, {high}]"]
    if share.unknown:
        below.append(f"of {share.known} on record")
    return Cell(str(share.count), tuple(below), plain=str(share.count))


def count_of(number: int, total: int) -> Cell:
    """Return a count with its share, of which nothing is inferred."""
    share = f"{100 * number / total:.1f} %" if total else ""
    return Cell(str(number), (share,) if share else (), plain=str(number))
