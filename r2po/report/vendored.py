"""The libraries that every page carries, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "vendor"


@dataclass(frozen=True)
class Library:
    """A library.

    Attributes:
        name: Its name on npm.
        version: Its version.
        source: Its code, as it was published.
        licence: The text of its licence.
        styles: Hashes of the style elements that it adds to a page, as a content security policy writes them.
    """

    name: str
    version: str
    source: str
    licence: str
    styles: tuple[str, ...]


def facts() -> list[Mapping[str, Any]]:
    """Return the entries of ``vendor.yaml``, in the order in which pages load the libraries."""
    entries: list[Mapping[str, Any]] = yaml.safe_load((FOLDER / "vendor.yaml").read_text(encoding="utf-8"))
    return entries


@cache
def libraries() -> tuple[Library, ...]:
    """Return the libraries, in the order in which pages load them."""
    return tuple(
        Library(
            name=entry["name"],
            version=entry["version"],
            source=(FOLDER / entry["file"]).read_text(encoding="utf-8"),
            licence=(FOLDER / entry["licence_file"]).read_text(encoding="utf-8"),
            styles=tuple(entry.get("styles", ())),
        )
        for entry in facts()
    )
