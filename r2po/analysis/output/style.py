"""How figures look: one style for all of them, legible in colour, to colour-blind readers, and in grey print.

Colours are chosen by lightness first (CIE L*, evenly spaced from 28 to 77), so that they stay apart without hue; then
by hue, such that any two lie at least 20 apart (CIE Lab) for normal and for colour-blind eyes. Those of the searches
without a model, from 22 to 69, keep these distances from what they share figures with. Line styles and markers tell all
methods apart once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

STAND_IN = "embedded stand-in, no language model"
"""Mark of every output that shows runs in which no language model answered."""

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

Dashes = str | tuple[int, tuple[float, ...]]
"""A line style of matplotlib: a name, or an offset and lengths on and off in line widths."""


@dataclass(frozen=True)
class MethodStyle:
    """How a method looks in every figure.

    Attributes:
        label: Its name in tables and figures.
        colour: Hexadecimal RGB.
        dashes: Line style.
        marker: Marker of matplotlib.
    """

    label: str
    colour: str
    dashes: Dashes
    marker: str


METHOD_STYLES: Mapping[str, MethodStyle] = MappingProxyType(
    {
        "props": MethodStyle("ProPS", "#01a68f", (0, (1.2, 1.2)), "s"),
        "propsp": MethodStyle("ProPS+", "#ab4b46", (0, (4, 1.5)), "^"),
        "r2po": MethodStyle("R2PO", "#003c97", "-", "o"),
        "reptraj": MethodStyle("RepTraj", "#f58163", (0, (4, 1.5)), "v"),
        "three_traj": MethodStyle("ThreeTraj", "#b0a4fe", (0, (6, 1.5, 1, 1.5)), "D"),
        "always_critic": MethodStyle("AlwaysCritic", "#a28102", (0, (4, 1.2, 1, 1.2, 1, 1.2)), "P"),
        "critic_only": MethodStyle("CriticOnly", "#0170f7", (0, (1.2, 1.2)), "X"),
        "pure_search": MethodStyle("PureSearch", "#9d1700", (0, (6, 1.5, 1, 1.5)), "<"),
        "actor_second_pass": MethodStyle("ActorSecondPass", "#874282", (0, (2.5, 1)), ">"),
        "sb3": MethodStyle("SB3", "#debc2f", (0, (6, 1.5, 1, 1.5)), "*"),
        "random_search": MethodStyle("Random search", "#b2a0e2", (0, (2.5, 1)), "8"),
        "evolution_strategy": MethodStyle("(1+λ)-ES", "#650551", (0, (6, 1.5, 1, 1.5)), "h"),
        "cma_es": MethodStyle("CMA-ES", "#a2741d", (0, (6, 1.5, 1, 1.5)), "p"),
        "ars": MethodStyle("ARS", "#7905dd", (0, (4, 1.2, 1, 1.2, 1, 1.2)), "d"),
    }
)


def method_style(method: str) -> MethodStyle:
    """Return the style of a method; one that is not known here is drawn in grey under its own name."""
    return METHOD_STYLES.get(method) or MethodStyle(method, "#6e6e6e", "-", "o")


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw and save in the project's style, whatever matplotlib was configured to before, and leave that as it was."""
    from matplotlib import style

    with style.context(["default", dict(_RC)]):
        yield
