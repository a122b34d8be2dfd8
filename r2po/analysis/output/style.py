"""How figures look: one style for all of them, legible in colour, to colour-blind readers, and in grey print.

Methods say themselves how they look. Colours are chosen by lightness first (CIE L*, evenly spaced from 28 to 77), so
that they stay apart without hue; then by hue, such that any two lie at least 20 apart (CIE Lab) for normal and for
colour-blind eyes. Those of the searches without a model, from 22 to 69, keep these distances from what they share
figures with. Line styles and markers tell all methods apart once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any

from r2po.runlog.facts import Style

NEUTRAL = "#000000"
"""Colour of what is not a method: best so far, target."""

FULL_WIDTH = 6.5
"""Inches: the text width of a page."""

DPI = 200
FONT_SIZE = 9
SMALL_FONT_SIZE = 8

_RC: Mapping[str, Any] = MappingProxyType(
    {
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters everywhere
        "font.size": FONT_SIZE,
        "axes.titlesize": FONT_SIZE,
        "axes.labelsize": FONT_SIZE,
        "xtick.labelsize": SMALL_FONT_SIZE,
        "ytick.labelsize": SMALL_FONT_SIZE,
        "legend.fontsize": SMALL_FONT_SIZE,
        "legend.frameon": False,
        "legend.handlelength": 2.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.7,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e2e2e2",
        "grid.linewidth": 0.5,
        "lines.linewidth": 1.6,
        "savefig.dpi": DPI,
        "text.parse_math": False,  # a $ in a model's name is a $
        "pdf.fonttype": 42,  # outlines that editors and publishers accept
        "svg.hashsalt": "r2po",  # names in the file that do not change from time to time
    }
)


def line_style(style: Style) -> str | tuple[int, tuple[float, ...]]:
    """Return the line style of a method as matplotlib takes it."""
    return (0, tuple(style["dashes"])) if style["dashes"] else "-"


def paper_style() -> AbstractContextManager[None]:
    """Draw and save in the project's style, whatever matplotlib was configured to before, and leave that as it was."""
    from matplotlib import style

    return style.context(["default", dict(_RC)])
