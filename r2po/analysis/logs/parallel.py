"""Work on many log directories on all cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from r2po import cores

Item = TypeVar("Item")
Output = TypeVar("Output")

FEW = 8
"""Up to so many items are worked on here: starting processes would take longer."""


def in_parallel(work: Callable[[Item], Output], items: Sequence[Item], module: str = "") -> list[Output]:
    """Return the results of ``work``, a function of a module, on each item, in their order; items must be picklable.

    If ``module`` is named, it is imported once for all processes.
    """
    processes = min(cores.available(), len(items))
    if len(items) <= FEW or processes == 1:
        return [work(item) for item in items]
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # A server that has only imported: no locks or threads of this process are copied half way.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module] if module else [])
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        return list(pool.map(work, items))
