"""Killing (-9) a real sweep at a step of its server."""

from __future__ import annotations

import signal
import subprocess
import threading

from tests.llm.fake_servers.batching import Batching, Step
from tests.process.processes import wait_until
from tests.sweep.sweeping import workers


def kill_at_step(
    server: Batching, process: list[subprocess.Popen[str]], name: str, *, is_done: bool, count: int = 1
) -> None:
    """Kill a process, which is in the list once it was started, at the ``count``-th step of this name."""
    seen: list[str] = []
    lock = threading.Lock()

    def on_step(step: Step) -> None:
        with lock:
            if (step.name, step.is_done) != (name, is_done):
                return
            seen.append(name)
            if len(seen) != count:
                return
        process[0].send_signal(signal.SIGKILL)
        process[0].wait()
        server.on_step = lambda _step: None
        raise ConnectionAbortedError

    server.on_step = on_step


def wait_for_the_end(process: subprocess.Popen[str]) -> set[int]:
    """Wait until a sweep is killed; returns the workers that it had."""
    below: set[int] = set()

    def looked() -> bool:
        below.update(workers(process.pid))
        return False

    wait_until(looked, process)
    process.communicate()
    return below
