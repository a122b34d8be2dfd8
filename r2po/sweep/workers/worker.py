"""A worker process of a sweep: many runs, a thread each, since most of a run's time is waiting for a model.

It lives as long as its connection: when the process that started it is gone, for whatever reason, it ends at once.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, cast

from r2po import cores
from r2po.config.environ import read_environ
from r2po.errors import InputError
from r2po.plugins import Place, load_places
from r2po.sweep.batching.messages import BatchAnswer, BatchCall
from r2po.sweep.messages import AttemptOutcome, Ended, Key, Note, PermitRequest, Progress, Verdict
from r2po.sweep.plan import PlannedRun
from r2po.sweep.runner import make_run


def work(connection: Connection[Any, Any], share: int, plugins: Sequence[tuple[Place, bool]]) -> None:
    """Serve the process at the other end of a connection, with the plugins that it has loaded.

    Each evaluation uses at most ``share`` cores.
    """
    cores.limit(share)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    _Worker(connection, _problem_with(plugins)).serve()


def _problem_with(plugins: Sequence[tuple[Place, bool]]) -> str:
    """Load the plugins; returns why that is impossible, which they were not in the first process, or ""."""
    try:
        load_places(plugins)
    except InputError as error:
        return str(error)
    return ""


class _Worker:
    """Starts runs and hands them the answers to what they ask."""

    def __init__(self, connection: Connection[Any, Any], problem: str = "") -> None:
        self._connection = connection
        self._problem = problem
        self._sending = threading.Lock()
        self._answers: dict[Key, queue.SimpleQueue[Any]] = {}
        self._environ = read_environ()

    def serve(self) -> None:
        """Take runs and verdicts until the connection breaks."""
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                os._exit(0)  # not sys.exit: threads may be in the middle of anything, and logs survive that
            if isinstance(message, PlannedRun):
                threading.Thread(target=self._run, args=(message,), name=f"run-{message.index}", daemon=True).start()
            else:
                self._answers.pop(message.key).put(message)

    def ask(self, ask: PermitRequest | AttemptOutcome) -> Verdict:
        return cast("Verdict", self._answer_to(ask))

    def hand_in(self, call: BatchCall) -> BatchAnswer:
        return cast("BatchAnswer", self._answer_to(call))

    def _answer_to(self, ask: PermitRequest | AttemptOutcome | BatchCall) -> Any:
        answer = self._answers[ask.key] = queue.SimpleQueue()
        self.tell(ask)
        return answer.get()

    def _run(self, run: PlannedRun) -> None:
        problem = self._problem
        self.tell(Ended(run.index, "failed", problem) if problem else make_run(run, self._environ, self))

    def tell(self, message: PermitRequest | BatchCall | AttemptOutcome | Progress | Note | Ended) -> None:
        try:
            with self._sending:
                self._connection.send(message)
        except OSError:
            os._exit(0)
