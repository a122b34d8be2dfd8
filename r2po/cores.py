"""How many cores this process may use, and how many of them one evaluation may use."""

from __future__ import annotations

import os

_most: int | None = None


def available() -> int:
    """Return the number of cores that this process may use; where the system does not tell, that of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def limit(count: int) -> None:
    """Let each evaluation of this process use at most so many cores: others are for what runs beside it."""
    global _most
    _most = max(1, count)


def per_evaluation() -> int:
    """Return how many cores an evaluation may use: all that the process may, or its share of them."""
    return available() if _most is None else min(_most, available())
