"""A worker's process, as its parent sees it: it inherits nothing, its pipes have deadlines, and it surely ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from r2po.isolation.outcomes import WorkerNotReadyError

ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "OMP_NUM_THREADS": "1",  # a thread would have to be cloned, which is forbidden
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",  # the order of a set of strings
}
"""The whole environment of a worker."""
_START = (
    "import sys; sys.path[:] = sys.path[1:] + sys.argv.pop(1).split('\\n'); "
    "from r2po.isolation import worker; worker.main()"
)
_LEAVE_S = 1.0
"""How long a process may take to end after it closed its pipe."""


class LateError(Exception):
    """A deadline has passed."""


class ClosedError(Exception):
    """The worker has closed its pipe, or has ended."""


class Process:
    """A worker's process.

    Args:
        prefix: Words before the command.
        arguments: What the worker is told.
        packages: Packages that the worker must find, beside this one.
    """

    def __init__(self, prefix: Sequence[str], arguments: Sequence[str], packages: Sequence[str]) -> None:
        # Isolated mode (-I) would ignore PYTHONHASHSEED. Without -S, site-packages could run code of their own.
        python = [sys.executable, "-s", "-S", "-B", "-c", _START, "\n".join(_folders(packages))]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this Python, and words of ours
                [*prefix, *python, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerNotReadyError(f"no process for a policy could be started: {error.strerror}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self._requests, self._replies = self._process.stdin.fileno(), self._process.stdout.fileno()
        for descriptor in (self._requests, self._replies):
            os.set_blocking(descriptor, False)
        self._writable, self._readable = select.poll(), select.poll()
        self._writable.register(self._requests, select.POLLOUT)
        self._readable.register(self._replies, select.POLLIN)
        self.cpu_s: float | None = None

    def write(self, data: bytes, deadline: float) -> None:
        """Send all of ``data``; a worker that reads nothing holds nobody up."""
        while True:
            try:
                data = data[os.write(self._requests, data) :]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                raise ClosedError from None
            if not data:
                return
            _wait(self._writable, deadline)

    def read(self, count: int, deadline: float) -> bytes:
        """Return what has come, at most ``count`` bytes, at least one."""
        while True:
            _wait(self._readable, deadline)
            with suppress(BlockingIOError):
                data = os.read(self._replies, count)
                if not data:
                    raise ClosedError
                return data

    @property
    def ended(self) -> bool:
        """Whether ``end`` was called; the numbers of the pipes may belong to somebody else by now."""
        return self._process.returncode is not None

    def has_more(self) -> bool:
        """Return whether something can be read, or the pipe is closed."""
        return bool(self._readable.poll(0))

    def wait_for_end(self) -> bool:
        """Give a worker that has closed its pipe a moment to end by itself, so that its exit code says why.

        Returns:
            Whether it has ended.
        """
        deadline = time.monotonic() + _LEAVE_S
        with suppress(ChildProcessError):
            while time.monotonic() < deadline:
                if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                    return True
                time.sleep(0.002)
            return False
        return True

    def end(self) -> int | None:
        """Kill the worker and what it may have started; return its exit code, minus the signal if it died of one."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._reap()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
        return self._process.returncode

    def _reap(self) -> None:
        try:
            _, status, used = os.wait4(self.pid, 0)
        except ChildProcessError:  # somebody else waited for all children of this process
            self._process.returncode = 0
            return
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_s = used.ru_utime + used.ru_stime


def _wait(poll: select.poll, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise LateError


def _folders(packages: Sequence[str]) -> list[str]:
    """Return the folders where this package and the others are found here, after Python's own."""
    folders = [str(Path(__file__).parents[2])]
    for name in (package.partition(".")[0] for package in packages):
        found = find_spec(name)
        if found is None or found.origin is None:
            raise WorkerNotReadyError(f"policies may import {name}, but it is not installed")
        folders.append(str(Path(found.origin).parents[1]))
    return list(dict.fromkeys(folders))
