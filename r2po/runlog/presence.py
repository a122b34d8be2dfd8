"""Whether something is at a path, also where that cannot be told."""

from __future__ import annotations

from pathlib import Path


def is_there(path: Path) -> bool:
    """Whether something is at a path. Also where that cannot be told: whoever reads it then says why."""
    try:
        return path.exists() or path.is_symlink()
    except OSError:
        return True


def holds_anything(log: Path) -> bool:
    """Whether a file is not empty, or cannot be read."""
    try:
        return log.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True
