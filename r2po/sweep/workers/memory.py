"""How many runs may be under way in the memory that there is: few at first, then as many as fit by what they take."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

RUN_BYTES = 30 * 2**20
"""A run with the 20 environments that it steps at once, of the largest kind: 21 MB on Swimmer, 0.1 MB on Nim."""
WORKER_BYTES = 200 * 2**20
"""A worker process before its first run."""
SHARE = 0.8
"""Part of the available memory that a sweep takes."""
FIRST = 32
"""Runs of each worker that begin, if they surely fit, before it is known what they take."""
LEAST_BYTES = 2**20
"""What a run takes at least: logs and a thread."""
GROWTH = 2.0
"""By how much runs may grow beyond what they take now: their histories become longer."""
SETTLING_S = 10.0
"""The number at most doubles in this time: what runs take shows only after they have begun."""
_MEMINFO = Path("/proc/meminfo")


def fitting_runs(workers: int) -> int:
    """Return how many runs surely fit into the memory that is available, at least one."""
    return _surely(available_bytes(), workers)


def _surely(available: float, workers: int) -> int:
    return max(1, int((available * SHARE - workers * WORKER_BYTES) // RUN_BYTES))


class Memory:
    """Says how many runs may be under way. It has no clock: ``fitting`` is told the time, in seconds.

    Args:
        workers: Number of worker processes.
        available: Returns the bytes that are available now.
        is_measured: Whether that tells what runs take.
    """

    def __init__(
        self, workers: int, available: Callable[[], int] | None = None, *, is_measured: bool | None = None
    ) -> None:
        self._available = available or available_bytes
        self._is_measured = _MEMINFO.exists() if is_measured is None else is_measured
        self._at_first = self._available()
        surely = _surely(self._at_first, workers)
        self._fitting = min(surely, FIRST * workers) if self._is_measured else surely
        self._since: float | None = None
        self._first: tuple[int, float] | None = None
        self._each = float(RUN_BYTES)

    def fitting(self, now: float, under_way: int, pids: Iterable[int]) -> int:
        """Return how many runs may be under way, at least one, where ``under_way`` are, in processes ``pids``."""
        if self._since is None:
            self._since = now
        if not self._is_measured or under_way == 0 or now - self._since < SETTLING_S:
            return self._fitting
        self._since = now
        available = self._available()
        self._measure(under_way, max(self._at_first - available, sum(map(_resident_bytes, pids)), 0))
        spare = available * SHARE - (GROWTH - 1) * self._each * under_way
        more = max(0, int(spare // (GROWTH * self._each)))
        self._fitting = under_way + min(more, under_way)
        return self._fitting

    def _measure(self, under_way: int, taken: float) -> None:
        """Learn what a run takes: the processes' own share is not known, so by how much more several runs take."""
        if self._first is None:
            self._first = under_way, taken
            self._each = max(min(taken / under_way, RUN_BYTES), LEAST_BYTES)
        elif under_way > self._first[0]:
            self._each = max((taken - self._first[1]) / (under_way - self._first[0]), LEAST_BYTES)


def _resident_bytes(pid: int) -> int:
    """Return the memory that a process has to itself."""
    with suppress(OSError, ValueError, IndexError):
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    return 0


def available_bytes() -> int:
    """Return the memory that is available within the limits of a container or a batch job (control groups)."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError, ValueError, StopIteration):
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        found.append(int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024)
    for limit, current in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # no such control group, or "max"
            found.append(int(Path(limit).read_text()) - int(Path(current).read_text()))
    return max(min(found), 0)
