"""The runs and sweeps under a folder. No link to a folder is followed: it may lead out."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from r2po.errors import InputError
from r2po.sweep.manifest import FILE as MANIFEST

DEEPEST = 6
"""Runs are looked for so many folders below."""
_RUN = re.compile(r"run_[0-9]+")


@dataclass
class Found:
    """What is under a folder.

    Attributes:
        runs: Folders of runs.
        sweeps: Folders with a manifest.
        problems: A line on each folder that cannot be read.
    """

    runs: list[Path] = field(default_factory=list)
    sweeps: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def open_logs(text: str) -> Path:
    """Return a folder of logs by its true path.

    Raises:
        InputError: There is none, or it is the folder of a run.
    """
    path = Path(text)
    try:
        root = path.resolve(strict=True)
    except FileNotFoundError:
        raise InputError(f"no folder {text!r}; expected a folder of logs, e.g. logs") from None
    except (OSError, RuntimeError, ValueError) as error:  # the second: a link to itself
        raise InputError(f"cannot read {text!r}: {getattr(error, 'strerror', None) or error}") from None
    if not root.is_dir():
        raise InputError(f"{text!r} is a file; expected a folder of logs, e.g. logs")
    if _RUN.fullmatch(root.name):
        raise InputError(f"{text!r} is a single run; expected a folder of logs, e.g. {root.parent}")
    return root


def find_below(root: Path) -> Found:
    """Look for runs and sweeps."""
    found = Found()
    _look(root, root, 0, found)
    return found


def _look(folder: Path, root: Path, depth: int, found: Found) -> None:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        found.problems.append(f"cannot read {folder.relative_to(root) or '.'}: {error.strerror or error}")
        return
    for entry in entries:
        if entry.name == MANIFEST and entry.is_file(follow_symlinks=False):
            found.sweeps.append(folder)
        elif entry.is_dir(follow_symlinks=False):
            if _RUN.fullmatch(entry.name):
                found.runs.append(folder / entry.name)
            elif depth < DEEPEST and not entry.name.startswith("."):
                _look(folder / entry.name, root, depth + 1, found)


def regular_files(run: Path) -> tuple[dict[str, os.stat_result], list[str]]:
    """Return the files of a run by name, and the names of links among them, which are not followed.

    Raises:
        OSError: The folder cannot be read.
    """
    files: dict[str, os.stat_result] = {}
    links: list[str] = []
    with os.scandir(run) as listing:
        for entry in listing:
            if entry.is_symlink():
                links.append(entry.name)
            elif entry.is_file(follow_symlinks=False):
                files[entry.name] = entry.stat(follow_symlinks=False)
    return files, links


def links_in(run: Path) -> list[str]:
    """Return all links below the folder of a run, those in its own folders included."""
    links: list[str] = []
    for folder, names, files in os.walk(run):
        links += [name for name in (*names, *files) if (Path(folder) / name).is_symlink()]
    return links
