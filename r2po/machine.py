"""What differs from one operating system to another."""

from __future__ import annotations

import os
import sys

LINUX = sys.platform == "linux"


def cores() -> int:
    """Return the number of cores that this process may use; where that is not told, of those that there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
