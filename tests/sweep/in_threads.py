"""Sweeps whose worker processes are threads of this one: everything else is real, and nothing has to start."""

from __future__ import annotations

import multiprocessing
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from r2po.sweep.sweep import Sweep
from r2po.sweep.workers.process import WorkerProcess
from r2po.sweep.workers.worker import _Worker


class _Process:
    """A thread that looks like a process."""

    exitcode = 0

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._worker = _Worker(connection)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.join, self.is_alive = self._thread.join, self._thread.is_alive

    def _serve(self) -> None:
        with suppress(SystemExit):
            self._worker.serve()

    def kill(self) -> None:
        raise AssertionError("a worker did not notice that its sweep has ended")


def _spawn(_share: int) -> WorkerProcess:
    ours, theirs = multiprocessing.Pipe()
    return WorkerProcess(_Process(theirs), ours)  # type: ignore[arg-type]


def use_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads stand in for the worker processes of sweeps; where those would end, the thread does."""

    def leave(_code: int) -> NoReturn:
        raise SystemExit

    monkeypatch.setattr("r2po.sweep.workers.worker.os", SimpleNamespace(_exit=leave))
    monkeypatch.setattr("r2po.sweep.workers.pool.spawn", _spawn)


class UnderWay:
    """A sweep that runs in a thread of its own."""

    def __init__(self, sweep: Sweep) -> None:
        self._error: BaseException | None = None
        self._sweep = sweep
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def finish(self, patience_s: float = 60.0) -> str:
        """Wait for its end; return what it ended with, empty if all runs are complete."""
        self._thread.join(patience_s)
        assert self.is_over
        return "" if self._error is None else str(self._error)

    def _run(self) -> None:
        try:
            self._sweep.run()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self._error = error
