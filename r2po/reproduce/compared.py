"""One of our figures beside the published one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from r2po.analysis.logs.run_data import RunData
from r2po.analysis.output.scores import Score
from r2po.reproduce.distance import Distance


@dataclass(frozen=True)
class Figure:
    """A figure as a page shows it.

    Attributes:
        text: The figure, e.g. ``"12.50 ± 1.00"``.
        of: What it rests on, e.g. ``"n = 10"``.
        mean: The number itself.
        std: Its sample standard deviation over runs; None where that is not how it varies, or it is of one run.
        label: The algorithm, where a column stands for several; else empty.
    """

    text: str
    of: str
    mean: float
    std: float | None = None
    label: str = ""

    @classmethod
    def of_score(cls, score: Score | None, *, named: bool = False) -> Figure | None:
        """Return a mean over runs as a figure; ``named`` with the name of its method."""
        if score is None:
            return None
        single = score.runs < 2
        text = score.text.partition(" ±")[0] if single else score.text
        return cls(text, f"n = {score.runs}", score.mean, None if single else score.std, score.label if named else "")


@dataclass(frozen=True)
class Compared:
    """A cell.

    Attributes:
        group: What is compared, which is a table on the page, e.g. "Best reward".
        row: Name of its row.
        column: Name of its column.
        environment: Short name of the task.
        method: Value of the config key ``method``.
        ours: Our figure; None if there is none.
        published: The published one; None if there is none.
        distance: How far ours is from it.
        runs: The runs that ours is of.
    """

    group: str
    row: str
    column: str
    environment: str
    method: str
    ours: Figure | None
    published: Figure | None
    distance: Distance
    runs: Sequence[RunData] = ()
