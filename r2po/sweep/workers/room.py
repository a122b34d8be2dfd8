"""How many runs are under way at once on this machine: as many as fit into memory and open files, or are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from r2po.config import Config
from r2po.sweep.workers.descriptors import fitting, needed, raise_limit


def jobs_at_once(
    asked: int | None, in_memory: int, configs: Sequence[Config], workers: int, note: Callable[[str], None]
) -> int:
    """Return how many runs are under way at once, and say what limits them.

    Args:
        asked: How many are asked for, if that is said.
        in_memory: How many surely fit into memory.
        configs: Config of each run.
        workers: Most processes that share them.
        note: Takes a line.
    """
    jobs = min(asked or len(configs), len(configs))
    if asked and jobs > in_memory:
        note(f"--jobs {asked}: more than the {in_memory} runs that surely fit into memory")
    open_files = raise_limit(needed(configs, jobs, min(workers, jobs)))
    fit = fitting(configs, min(workers, jobs), open_files)
    if jobs > fit:
        which = f"{open_files} open files are allowed to a process"
        note(f"{fit} of {jobs} runs at once: {which}; ulimit -Hn raises that")
    return min(jobs, fit)
