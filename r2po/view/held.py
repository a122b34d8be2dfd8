"""Which files processes of this machine hold locked, without trying a lock: a try would keep a run from beginning."""

from __future__ import annotations

import os
import re
from pathlib import Path

LOCKS = Path("/proc/locks")
_LINE = re.compile(r"^\d+: (?:FLOCK|OFDLCK|POSIX) .* ([0-9a-f]+):([0-9a-f]+):([0-9]+) \S+ \S+$", re.MULTILINE)

Held = frozenset[tuple[int, int, int]]
"""Major and minor number of a device, and the number of a file on it."""


def held_here() -> Held:
    """Return the files that are locked; none where the system does not say, as on macOS."""
    try:
        text = LOCKS.read_text(encoding="ascii", errors="replace")
    except OSError:
        return frozenset()
    return read_locks(text)


def read_locks(text: str) -> Held:
    """Read the list of locks as Linux writes it; processes that wait for one (``->``) hold none."""
    return frozenset((int(major, 16), int(minor, 16), int(inode)) for major, minor, inode in _LINE.findall(text))


def is_held(status: os.stat_result | None, held: Held) -> bool:
    """Whether a file is among them."""
    if status is None:
        return False
    return (os.major(status.st_dev), os.minor(status.st_dev), status.st_ino) in held
