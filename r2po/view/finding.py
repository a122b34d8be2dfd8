"""The runs and sweeps under a folder. No link to a folder is followed: it may lead out."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from r2po.errors import InputError
from r2po.runlog.race import FILE as RACE
from r2po.sweep.manifest import FILE as MANIFEST

FILE, FOLDER, GONE = "a file", "a folder", "gone"
LINK, ODD = "links are not followed", "not a regular file, so it is not opened"
_MOST_NAMED = 3
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
        if entry.name == MANIFEST and _kind(entry) == FILE:
            found.sweeps.append(folder)
        elif _kind(entry) == FOLDER:
            if _RUN.fullmatch(entry.name):
                found.runs.append(folder / entry.name)
            elif depth < DEEPEST and not entry.name.startswith("."):
                _look(folder / entry.name, root, depth + 1, found)


def regular_files(folder: Path) -> tuple[dict[str, os.stat_result], list[str]]:
    """Return the files of a folder by name, and a line on each entry that nobody may open.

    Raises:
        OSError: The folder cannot be read.
    """
    files: dict[str, os.stat_result] = {}
    refused: list[str] = []
    with os.scandir(folder) as listing:
        for entry in listing:
            kind = _kind(entry)
            if kind not in (FILE, FOLDER, GONE):
                refused.append(f"{entry.name}: {kind}")
            elif kind == FILE:
                with suppress(FileNotFoundError):  # a file that only exists while another one is written
                    files[entry.name] = entry.stat(follow_symlinks=False)
    return files, sorted(refused)


def refused_below(folder: Path) -> list[str]:
    """Return a line on each entry that nobody may open, those in all its own folders included.

    Raises:
        OSError: A folder cannot be read.
    """
    refused: list[str] = []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        with os.scandir(here) as listing:
            kinds = {entry.name: _kind(entry) for entry in listing}
        waiting += [here / name for name, kind in kinds.items() if kind == FOLDER]
        refused += [f"{name}: {kind}" for name, kind in kinds.items() if kind not in (FILE, FOLDER, GONE)]
    return sorted(refused)


def refused_beside(run: Path) -> list[str]:
    """Return the same for what is read beside a run."""
    path = run.parent / RACE
    try:
        return [] if stat.S_ISREG(path.lstat().st_mode) else [f"{path.name}: {ODD}"]
    except OSError:
        return []


def why_refused(refused: Sequence[str]) -> str:
    """Return a line on entries that nobody may open; empty if there are none."""
    others = len(refused) - _MOST_NAMED
    return "; ".join(refused[:_MOST_NAMED]) + (f"; and {others} more" if others > 0 else "")


def _kind(entry: os.DirEntry[str]) -> str:
    """Say what an entry is. To open a pipe may take for ever, and a link may lead out or to a pipe."""
    try:
        if entry.is_symlink():
            return LINK
        if entry.is_dir(follow_symlinks=False):
            return FOLDER
        if entry.is_file(follow_symlinks=False):
            return FILE
        os.lstat(entry.path)
    except FileNotFoundError:
        return GONE
    except OSError:
        return ODD
    return ODD
