"""Runs ``main.py run`` in children that kill themselves at their n-th write. A program: it takes orders on its input.

A write has points before, in the middle of and after it; so do opening, truncating, syncing, renaming and making
folders. Forking a process that has loaded everything is much faster than starting one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

LOADED_ONCE = (
    "r2po.cli.run",
    "r2po.config.environ",
    "r2po.experiment.launch",
    "r2po.experiment.live_view",
    "r2po.llm.providers.ollama",
)
"""Modules that are loaded before the first fork: every child would load them again."""
UNSEEN_WRITE = 99
"""Exit code of a child that opened a file for writing past the points."""


class Crasher:
    """The process that forks children."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.process.crashing"],
            cwd=Path(__file__).parents[2],
            env=dict(environ),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def run(self, folder: Path, *options: str, kill_at: int = 0) -> int:
        """Run the config in a folder, its output in ``out``, and kill it at a point; 0 for none.

        Returns the exit code, -9 if it was killed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(folder), options, kill_at]), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def __enter__(self) -> Crasher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()


class _Points:
    """Counts the points passed; at the last one it kills the process for good."""

    def __init__(self, kill_at: int) -> None:
        self.kill_at = kill_at
        self.passed = 0

    def is_next_the_last(self) -> bool:
        return self.passed + 1 == self.kill_at

    def __call__(self) -> None:
        self.passed += 1
        if self.passed == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class _File:
    """A file open for writing, with points around and within what is done to it."""

    def __init__(self, file: Any, point: _Points) -> None:
        self._file = file
        self._point = point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        self._point()
        if self._point.is_next_the_last():
            self._file.write(data[: len(data) // 2])
            self._file.flush()
        self._point()
        self._file.write(data)
        self._file.flush()
        self._point()

    def truncate(self, size: int) -> None:
        self._point()
        self._file.truncate(size)
        self._point()


def _install(point: _Points) -> list[int]:
    """Put the points in place; the list counts opened files, all of them and those with points."""
    opened = [0, 0]
    open_path = Path.open

    def watched_open(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not set(mode) & set("wax+"):
            return open_path(self, mode, *args, **kwargs)
        point()
        opened[1] += 1
        file = open_path(self, mode, *args, **kwargs)
        point()
        return _File(file, point)

    def around(function: Any) -> Any:
        def watched(*args: Any, **kwargs: Any) -> Any:
            point()
            result = function(*args, **kwargs)
            point()
            return result

        return watched

    def audit(event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
            opened[0] += not isinstance(args[0], int) and str(args[0]) != os.devnull  # a number is a pipe's

    changes: Mapping[str, Any] = {
        "open": watched_open,
        **{name: around(getattr(Path, name)) for name in ("replace", "rename", "mkdir", "unlink")},
    }
    for name, function in changes.items():
        setattr(Path, name, function)
    vars(os)["fsync"] = around(os.fsync)
    sys.addaudithook(audit)
    return opened


def _child(folder: str, options: list[str], kill_at: int) -> int:
    from r2po.cli import main

    os.chdir(folder)
    out = os.open("out", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    opened = _install(_Points(kill_at))
    code = main(["run", "--config", "config.yaml", *options])
    sys.stdout.flush()
    return code if opened[0] == opened[1] else UNSEEN_WRITE


def _serve() -> None:
    for name in LOADED_ONCE:
        import_module(name)
    for line in sys.stdin:
        folder, options, kill_at = json.loads(line)
        process = os.fork()
        if not process:
            code = 1
            try:
                code = _child(folder, options, kill_at)
            finally:
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
