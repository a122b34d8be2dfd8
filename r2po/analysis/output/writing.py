"""Tables and figures as files, in the formats that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2po.analysis.output.canvas import save
from r2po.analysis.output.files import to_json, write_file
from r2po.analysis.output.style import paper_style
from r2po.analysis.output.table_figure import draw_table
from r2po.analysis.output.tables import SUFFIXES, TEXTS, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE_FORMATS = ("png", "pdf", "svg")

Draw = Callable[[], "Figure"]


def content(table: Table, name: str) -> bytes:
    """Return the content of a table's file in the format ``name``, a key of ``SUFFIXES``."""
    return TEXTS[name](table).encode() if name in TEXTS else draw_table(table, name)


def write_table(table: Table, path: str | Path, formats: Sequence[str]) -> list[Path]:
    """Write a table in each format, a key of ``SUFFIXES``, to ``path`` and its suffix; returns the files.

    Raises:
        InputError: A file cannot be written.
    """
    return [write_file(Path(f"{path}.{SUFFIXES[name]}"), content(table, name)) for name in formats]


def write_figure(draw: Draw, path: Path, formats: Sequence[str]) -> list[Path]:
    """Draw a figure once and write it, with suffix, in those of the formats that figures have; returns the files.

    Raises:
        InputError: A file cannot be written.
    """
    wanted = [name for name in dict.fromkeys(formats) if name in FIGURE_FORMATS]
    if not wanted:
        return []
    with paper_style():
        figure = draw()
        return [write_file(Path(f"{path}.{name}"), save(figure, name)) for name in wanted]


def write_all(
    folder: Path, items: Iterable[tuple[str, Table | Draw]], formats: Sequence[str], name: str, record: Any
) -> list[Path]:
    """Write an analysis: tables as text, figures as pictures, and all of it as one JSON record; returns the files.

    Args:
        folder: Where; it is made.
        items: Each table and figure with the name of its file, without suffix.
        formats: Those that are wanted, of tables and figures alike.
        name: Name of the JSON file.
        record: Its content.

    Raises:
        InputError: A file cannot be written.
    """
    texts = [each for each in formats if each not in (*FIGURE_FORMATS, "json")]
    files: list[Path] = []
    for stem, item in items:
        path = folder / stem
        files += write_table(item, path, texts) if isinstance(item, Table) else write_figure(item, path, formats)
    return [*files, write_file(folder / name, to_json(record))] if "json" in formats else files
