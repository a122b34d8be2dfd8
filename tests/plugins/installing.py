"""Installs a plugin into a folder, as pip would: a module, and the folder that says what it is."""

from __future__ import annotations

from pathlib import Path


def install(folder: Path, points: str, *, name: str = "someones-lab", version: str = "1.2") -> None:
    """Write a ``.dist-info`` with entry points, one a line, e.g. ``lab = lab``."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[r2po.plugins]\n{points}\n", encoding="utf-8")
