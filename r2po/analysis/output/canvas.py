"""Making and saving figures. Matplotlib's objects are used directly: no window, no global figure."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from r2po.analysis.logs.run_data import STAND_IN
from r2po.analysis.output.panel import Panel
from r2po.analysis.output.style import DPI, FONT_SIZE, FULL_WIDTH, NEUTRAL, SMALL_FONT_SIZE, paper_style
from r2po.terminal import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

CAPTION_CHARACTERS = 122
HEIGHT = 3.4
PAD = 0.06
"""Inches: height of a figure, and the space between its parts."""
TITLE_CHARACTERS = 80

UNBROKEN = "\N{NO-BREAK SPACE}"

DrawPanel = Callable[[Panel], "Figure"]

_METADATA: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
        "svg": {"Date": None, "Creator": None},
    }
)
"""Neither dates nor versions: the same data give the same bytes."""


def render(draw: DrawPanel, panel: Panel, suffixes: Sequence[str]) -> dict[str, bytes]:
    """Draw a figure and return it in each format ("png", "pdf", "svg"), by suffix."""
    with paper_style():
        figure = draw(panel)
        arrange(figure)
        return {suffix: save(figure, suffix) for suffix in suffixes}


def new_figure(panel: Panel, caption: str, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure with title and caption, and its axes from left to right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(FULL_WIDTH, HEIGHT))
    title = textwrap.fill(panel.label, TITLE_CHARACTERS)
    mark = f"\n[{STAND_IN}]" if panel.is_stand_in else ""
    figure.suptitle(title + mark, fontsize=FONT_SIZE, y=1 - PAD / HEIGHT, va="top")
    _write_caption(figure, caption, y=PAD / HEIGHT, va="bottom")
    return figure, [figure.add_subplot(1, columns, number + 1) for number in range(columns)]


def arrange(figure: Figure) -> None:
    """Place axes that stand side by side between title and caption, such that all labels have room.

    In one pass: matplotlib's own layout engines measure everything several times, and take as long as the drawing.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)  # Any: matplotlib does not type this method
    _show_control_characters(figure)
    renderer = canvas.get_renderer()
    inches = figure.dpi_scale_trans.inverted()
    width, height = figure.get_size_inches()
    top = height - PAD - _text_height(figure.get_suptitle(), FONT_SIZE)
    bottom = PAD + _text_height(figure.get_supxlabel(), SMALL_FONT_SIZE - 1)
    share = width / len(figure.axes)
    for number, axes in enumerate(figure.axes):
        axes.set_position((0.1, 0.2, 0.8 / len(figure.axes), 0.6))
        inner, outer = axes.get_window_extent(renderer), axes.get_tightbbox(renderer)
        assert outer is not None
        (left, low), (right, high) = inches.transform(outer.get_points() - inner.get_points())
        x, y = number * share + PAD - left, bottom + PAD - low
        size = share - 2 * PAD + left - right, top - PAD - high - y
        axes.set_position((x / width, y / height, size[0] / width, size[1] / height))


def _show_control_characters(figure: Figure) -> None:
    """Write those of names as their codes: no font has them, and matplotlib would warn of each."""
    from matplotlib.text import Text

    for each in figure.findobj(Text):
        assert isinstance(each, Text)
        shown = visible(each.get_text())
        if shown != each.get_text():
            each.set_text(shown)


def _text_height(text: str, points: float) -> float:
    return (text.count("\n") + 1) * points * 1.2 / 72 if text else 0.0


def legend_above(axes: Axes) -> None:
    """Put the legend between title and axes, where it covers nothing."""
    entries = len(axes.get_legend_handles_labels()[1])
    tight = {"columnspacing": 1.0, "handlelength": 1.9} if entries > 4 else {"columnspacing": 1.6}
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, **tight)


def whole_numbers(axis: Axis) -> None:
    """Put ticks on whole numbers only, in steps of 1, 2 or 5 times a power of ten."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def save(figure: Figure, suffix: str) -> bytes:
    """Return a drawn figure as "png", "pdf" or "svg"."""
    _show_control_characters(figure)
    buffer = io.BytesIO()
    # Level 3 takes a third of the time of the default, for files that are 10 % larger.
    settings: dict[str, Any] = {"pil_kwargs": {"compress_level": 3}} if suffix == "png" else {}
    figure.savefig(buffer, format=suffix, dpi=DPI, metadata=dict(_METADATA[suffix]), **settings)
    return buffer.getvalue()


def sheet(title: str, caption: str, height: float) -> Figure:
    """Return an empty figure of the page's text width, ``height`` inches high.

    The caption stands below in small print: intervals, numbers of runs, model and protocol.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(FULL_WIDTH, height), layout="constrained")
    figure.suptitle(textwrap.fill(title, TITLE_CHARACTERS), fontsize=FONT_SIZE)
    _write_caption(figure, caption)
    return figure


def wrapped(text: str, characters: int) -> list[str]:
    """Break a caption into lines; ``n = 10``, ``95 %`` and the like stay together."""
    together = re.sub("(?<=[0-9]) (?=%)", UNBROKEN, re.sub(" = (?=[0-9])", f"{UNBROKEN}={UNBROKEN}", text))
    return [line.replace(UNBROKEN, " ") for line in textwrap.wrap(together, characters, break_on_hyphens=False)]


def _write_caption(figure: Figure, caption: str, **place: Any) -> None:
    caption = "\n".join(wrapped(caption, CAPTION_CHARACTERS))
    figure.supxlabel(caption, fontsize=SMALL_FONT_SIZE - 1, color="#404040", **place)


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Name the rows of a figure, from top to bottom."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def span(counts: Iterable[int]) -> str:
    """Write the smallest and the largest of some counts, e.g. "3 to 10", or the only one; "0" of none."""
    ends = sorted({*counts} or {0})
    return f"{ends[0]} to {ends[-1]}" if len(ends) > 1 else str(ends[0])


def draw_interval(axes: Axes, row: float, value: float, ends: Sequence[float], width: float, **mark: Any) -> None:
    """Draw a value and the line of its interval in a row; the line has the colour of the mark."""
    axes.plot(ends, [row, row], color=mark["color"], linewidth=width, solid_capstyle="butt")
    axes.plot([value], [row], markeredgecolor=NEUTRAL, linestyle="none", zorder=3, **mark)
