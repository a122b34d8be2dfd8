"""A second copy of a run directory, on another machine, which has each write before the run goes on.

A run may be made where its run directory cannot be seen. Then it works on a copy, and a mirror passes on what is
written there. Whoever writes waits for it: what is said of a write when it returns holds for the other copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

_mirrors: dict[Path, Mirror] = {}
"""By run directory, as its writers are given it."""


class Mirror(Protocol):
    """Passes on what is written; each method returns when the other copy has it.

    ``sync`` says that it must survive a power cut. An ``OSError`` or a ``RunLockedError`` says that it is not there.
    """

    def appended(self, path: Path, start: int, data: bytes, *, sync: bool) -> None:
        """A file of lines has new ones from ``start`` on; what stood there was the torn rest of a line.

        There are none if the file is new.
        """

    def replaced(self, path: Path, data: bytes, *, sync: bool) -> None:
        """A file was written anew."""

    def removed(self) -> None:
        """The run directory was deleted, since the run never began."""


@contextmanager
def mirrored(run: Path, mirror: Mirror) -> Iterator[None]:
    """Give a run directory a mirror, for as long as the block lasts."""
    _mirrors[run] = mirror
    try:
        yield
    finally:
        del _mirrors[run]


def mirror_of(path: Path) -> Mirror | None:
    """Return the mirror of a run directory, or of the one that a file is in; None if it has none."""
    if not _mirrors:
        return None
    return next((_mirrors[folder] for folder in (path, *path.parents) if folder in _mirrors), None)
