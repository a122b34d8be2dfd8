"""A figure with title and caption for any content."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from r2po.analysis.output.canvas import CAPTION_CHARACTERS, TITLE_CHARACTERS
from r2po.analysis.output.style import FONT_SIZE, FULL_WIDTH, NEUTRAL, SMALL_FONT_SIZE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def sheet(title: str, caption: str, height: float) -> Figure:
    """Return an empty figure of the page's text width.

    Args:
        title: Stands above.
        caption: Stands below, in small print: intervals, numbers of runs, model and protocol.
        height: Inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(FULL_WIDTH, height), layout="constrained")
    figure.suptitle(textwrap.fill(title, TITLE_CHARACTERS), fontsize=FONT_SIZE)
    wrapped = textwrap.fill(caption, CAPTION_CHARACTERS, break_on_hyphens=False)
    figure.supxlabel(wrapped, fontsize=SMALL_FONT_SIZE - 1, color="#404040")
    return figure


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Name the rows of a figure, from top to bottom."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def span(counts: Iterable[int]) -> str:
    """Write the smallest and the largest of some counts, e.g. "3 to 10", or the only one; "0" of none."""
    ends = sorted({*counts} or {0})
    return f"{ends[0]} to {ends[-1]}" if len(ends) > 1 else str(ends[0])


def draw_interval(axes: Axes, row: float, value: float, ends: Sequence[float], width: float, **mark: Any) -> None:
    """Draw a value with its interval in a row.

    Args:
        axes: Where.
        row: Height of the row.
        value: Where the mark stands.
        ends: Both ends of the line.
        width: Width of the line.
        mark: How the mark looks; its colour is the line's.
    """
    axes.plot(ends, [row, row], color=mark["color"], linewidth=width, solid_capstyle="butt")
    axes.plot([value], [row], markeredgecolor=NEUTRAL, linestyle="none", zorder=3, **mark)
