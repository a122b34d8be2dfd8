"""How many runs fit into the memory of this machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

RUN_BYTES = 30 * 2**20
"""A run with the 20 environments that it steps at once, of the largest kind: 21 MB on Swimmer, 0.1 MB on Nim."""
WORKER_BYTES = 200 * 2**20
"""A worker process before its first run."""
SHARE = 0.8
"""Part of the available memory that a sweep takes."""


def available_bytes() -> int:
    """Return the memory that is available within the limits of a container or a batch job (control groups)."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found.append(int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024)
    for limit, current in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # no such control group, or "max"
            found.append(int(Path(limit).read_text()) - int(Path(current).read_text()))
    return max(min(found), 0)


def fitting_runs(workers: int, available: int) -> int:
    """Return how many runs fit, at least one."""
    return max(1, int((available * SHARE - workers * WORKER_BYTES) // RUN_BYTES))


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
