"""Locks: one process at a time works in a folder, until it ends, however it ends."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

from r2po.errors import InputError

NO_LOCKS = "file locks keep nobody out here: nothing else may write to {path} meanwhile"


class RunLockedError(InputError):
    """Another process works in this run directory."""


class Lock:
    """Keeps other processes out, from when it is made until it is closed or the process ends; its file may be new.

    ``holds`` is false where nobody is kept out: Python has no ``fcntl``, or the file system only pretends to lock.

    Raises:
        BlockingIOError: Another process holds the lock.
        InputError: The file cannot be made, or the file system does not support locks.
    """

    def __init__(self, path: Path) -> None:
        self.holds = False
        try:
            self._file: io.TextIOWrapper = path.open("w")
        except OSError as error:
            raise InputError(f"cannot lock {path.parent}: {path.name}: {error.strerror or error}") from None
        try:
            import fcntl  # here, so that logs are read where there is none
        except ImportError:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise
        except OSError as error:
            self._file.close()
            reason = f"{error.strerror}; r2po needs a file system with locks"
            raise InputError(f"cannot lock {path.parent}: {reason}") from None
        self.holds = _keeps_out(path, fcntl.flock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Let others in."""
        self._file.close()


def _keeps_out(path: Path, flock: Callable[[io.TextIOWrapper, int], None], how: int) -> bool:
    """Whether a locked file cannot be locked once more, through another descriptor, as another process would try it."""
    try:
        with path.open("w") as file:
            flock(file, how)
    except OSError:
        return True
    return False


def take_lock(path: Path, patience_s: float, every_s: float = 0.02) -> Lock:
    """Take a lock, waiting a while for others who hold it for a moment: it is tried so often.

    Raises:
        BlockingIOError: Another process holds it all the time.
        InputError: As for ``Lock``.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return Lock(path)
        except BlockingIOError:  # noqa: PERF203 - that is what it waits for
            if time.monotonic() > deadline:
                raise
            time.sleep(every_s)
