"""One of our figures beside the published one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from r2po.analysis.logs.run_data import RunData
from r2po.analysis.output.scores import Score
from r2po.reproduce.distance import Distance
from r2po.runlog.smoke import smoke_note


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

    @property
    def is_smoke(self) -> bool:
        """Whether any of its runs stands in a directory that is marked as smoke."""
        return any(map(is_smoke, self.runs))

    @property
    def is_stand_in(self) -> bool:
        """Whether an embedded stand-in answered in any of its runs."""
        return any(run.stand_in for run in self.runs)


def is_smoke(run: RunData) -> bool:
    """Whether a run stands in a directory that is marked as smoke."""
    return bool(smoke_note(run.path.parent))


def is_comparable(run: RunData) -> bool:
    """Whether a run may be compared with published figures: it is neither smoke nor a stand-in's."""
    return not run.stand_in and not is_smoke(run)
