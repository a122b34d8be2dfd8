"""A figure with title and caption for any content, and its files."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from r2po.analysis.output.canvas import CAPTION_CHARACTERS, TITLE_CHARACTERS, save
from r2po.analysis.output.files import write_file
from r2po.analysis.output.style import FONT_SIZE, FULL_WIDTH, SMALL_FONT_SIZE, paper_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE_FORMATS = ("png", "pdf", "svg")


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


def write_figure(draw: Callable[[], Figure], path: Path, formats: Sequence[str]) -> list[Path]:
    """Draw a figure once and write it in those of the formats that figures have; returns the files.

    Args:
        draw: Makes the figure.
        path: File to write, without suffix; its folder is made.
        formats: Others than ``FIGURE_FORMATS`` are passed over.

    Raises:
        InputError: A file cannot be written.
    """
    files: list[Path] = []
    wanted = [name for name in formats if name in FIGURE_FORMATS]
    if not wanted:
        return files
    with paper_style():
        figure = draw()
        files += [write_file(Path(f"{path}.{name}"), save(figure, name)) for name in wanted]
    return files


def write_text(path: Path, text: str) -> Path:
    """Write a text file whose folder is made if need be; returns its path.

    Raises:
        InputError: It cannot be written.
    """
    return write_file(path, text.encode())


def folder_name(label: str) -> str:
    """Return a label as the name of a folder: letters, digits and single hyphens."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-.")
