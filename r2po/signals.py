"""Signals that arrive while something is under way that must not be interrupted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait while modules load: some would turn an interrupt into an error of their own."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def deferred() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block ends, whichever thread of the process they arrive at.

    In C code that calls Python back, the exception that a handler raises would get lost. Only the main thread runs
    handlers; in others, and where signals are ignored or end the process at once, this does nothing.
    """
    handlers = {number: signal.getsignal(number) for number in STOPPING}
    replaced = {number: handler for number, handler in handlers.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        replaced = {}
    arrived: list[tuple[int, FrameType | None]] = []
    for number in replaced:
        signal.signal(number, lambda *arrival: arrived.append(arrival))
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
        if arrived:
            first, frame = arrived[0]
            replaced[signal.Signals(first)](first, frame)
