"""What differs from one operating system to another."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

LINUX = sys.platform == "linux"


def is_running(pid: int) -> bool:
    """Whether there is a process of this number on this machine."""
    if os.name == "nt":  # asking would interrupt it: there, only its silence tells that it is gone
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    with suppress(OSError, IndexError):
        # One that was killed keeps its number until whoever started it takes notice.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    return True
