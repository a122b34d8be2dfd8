"""A figure with title and caption for any content, and its files."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from r2po.analysis.canvas import CAPTION_CHARACTERS, TITLE_CHARACTERS, save
from r2po.analysis.style import FONT_SIZE, FULL_WIDTH, SMALL_FONT_SIZE, paper_style
from r2po.errors import InputError
from r2po.jsonl import write_atomically

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
        for name in wanted:
            file = Path(f"{path}.{name}")
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(file, save(figure, name))
            except OSError as error:
                raise InputError(f"cannot write {str(file)!r}: {error.strerror or error}") from None
            files.append(file)
    return files


def write_text(path: Path, text: str) -> Path:
    """Write a text file whose folder is made if need be; returns its path.

    Raises:
        InputError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror or error}") from None
    return path


def folder_name(label: str) -> str:
    """Return a label as the name of a folder: letters, digits and single hyphens."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-.")
