"""Worker processes of a sweep, from the outside."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from r2po.plugins import loaded_places
from r2po.signals import held_back
from r2po.sweep.plan import PlannedRun
from r2po.sweep.workers.worker import work


@dataclass(eq=False)
class WorkerProcess:
    """A process, the connection to it, and the runs that it makes, by index."""

    process: SpawnProcess
    connection: Connection[Any, Any]
    runs: dict[int, PlannedRun] = field(default_factory=dict)


def spawn(share: int) -> WorkerProcess:
    """Start a worker process, each evaluation in which uses at most ``share`` cores."""
    # Not a fork: a worker must not hold the other workers' connections, or they would not notice that the sweep ended.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, share, loaded_places()), name="r2po-worker", daemon=True)
    # Starting it lets signals through, which would end the hold below.
    resource_tracker.ensure_running()
    with held_back():  # until the worker has said what signals mean to it
        process.start()
    theirs.close()
    return WorkerProcess(process, ours)
