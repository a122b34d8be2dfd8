"""Making and saving figures. Matplotlib's objects are used directly: no window, no global figure."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from r2po.analysis.panel import Panel
from r2po.analysis.style import DPI, FONT_SIZE, FULL_WIDTH, SMALL_FONT_SIZE, STAND_IN, paper_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

CAPTION_CHARACTERS = 122
TITLE_CHARACTERS = 80

Draw = Callable[[Panel], "Figure"]

_METADATA: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None, "Creator": None}}
)
"""Neither dates nor versions: the same data give the same bytes."""


def render(draw: Draw, panel: Panel, suffixes: Sequence[str]) -> dict[str, bytes]:
    """Draw a figure and return it in each format ("png", "pdf"), by suffix."""
    with paper_style():
        figure = draw(panel)
        return {suffix: _save(figure, suffix) for suffix in suffixes}


def new_figure(panel: Panel, caption: str, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure with title and caption, and its axes from left to right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(FULL_WIDTH, 3.4), layout="constrained")
    title = textwrap.fill(panel.label, TITLE_CHARACTERS)
    mark = f"\n[{STAND_IN}]" if panel.is_stand_in else ""
    figure.suptitle(title + mark, fontsize=FONT_SIZE)
    caption = textwrap.fill(caption, CAPTION_CHARACTERS, break_on_hyphens=False)
    figure.supxlabel(caption, fontsize=SMALL_FONT_SIZE - 1, color="#404040")
    return figure, [figure.add_subplot(1, columns, number + 1) for number in range(columns)]


def legend_above(axes: Axes) -> None:
    """Put the legend between title and axes, where it covers nothing."""
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, columnspacing=1.6)


def whole_numbers(axis: Axis) -> None:
    """Put ticks on whole numbers only, in steps of 1, 2 or 5 times a power of ten."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def _save(figure: Figure, suffix: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, dpi=DPI, metadata=dict(_METADATA[suffix]))
    return buffer.getvalue()
