"""Tables in documents: each stands between two comments, and the command that makes it writes it there."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def write_table(document: Path, name: str, text: str) -> None:
    """Replace what stands between the comments ``<!-- NAME -->`` and ``<!-- end of NAME -->`` of a document.

    Raises:
        ValueError: It does not have both comments, once each and in this order.
    """
    begin, end = _marks(name)
    before, found, rest = (old := document.read_text(encoding="utf-8")).partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended or old.count(begin) != 1 or old.count(end) != 1:
        raise ValueError(f"{document} does not have {begin.strip()} and {end.strip()} once each")
    document.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def read_table(document: Path, name: str) -> str:
    """Return what stands between the comments."""
    begin, end = _marks(name)
    return document.read_text(encoding="utf-8").split(begin)[1].split(end)[0]


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
