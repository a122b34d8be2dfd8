"""Processes of r2po that need not load it: each is forked from a process that has, which takes most of its time.

They are processes of their own all the same, children of the one that starts them, with the arguments, environment,
folder, files and signals that they would have. Only ``/proc`` shows the command line of the process they come from.
"""

from __future__ import annotations

import array
import atexit
import ctypes
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TextIO, cast

REPOSITORY = Path(__file__).parents[2]
LINUX = sys.platform == "linux"
_MODULES = (
    "r2po.cli.run",
    "r2po.cli.sweep",
    "r2po.experiment.launch",
    "r2po.rollout.gymnasium_engine",
    "r2po.sweep.sweep",
)
_PR_SET_CHILD_SUBREAPER = 36
_MOST_BYTES = 1 << 20
_STREAMS = (0, 1, 2)
# Places in the arguments of Popen._execute_child, the same from Python 3.10 to 3.13.
_ARGS, _CWD, _ENV, _PIPES, _SESSION = 0, 5, 6, slice(10, 16), 21


def can_be_forked(command: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether a command is main.py or r2po, with what Python itself takes from the environment as it is here."""
    here = {**os.environ, "PYTHONPATH": python_path()}
    same = all(env.get(name) == here.get(name) for name in {*env, *here} if name.startswith(("PYTHON", "LC_", "LANG")))
    known = command[1:3] == ["-m", "r2po"] or command[1:2] == [str(REPOSITORY / "main.py")]
    return LINUX and same and known and command[0] == sys.executable


def python_path() -> str:
    """Return where processes find this repository, and what keeps them on this machine (tests/conftest.py)."""
    return os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))


class Forked(subprocess.Popen[str]):
    """A process that is forked from the one that has loaded r2po; it takes the arguments of ``Popen``."""

    def _execute_child(self, *arguments: Any) -> None:
        ours = arguments[_PIPES]
        files = (*ours[:1], *ours[3::2])  # of each pipe the child's end
        theirs = [number if file == -1 else file for number, file in zip(_STREAMS, files, strict=True)]
        self.pid = _loaded().fork(
            {
                "command": list(arguments[_ARGS]),
                "cwd": str(Path(arguments[_CWD] or "").absolute()),
                "env": dict(arguments[_ENV]),
                "session": bool(arguments[_SESSION]),
            },
            theirs,
        )
        self._child_created = True
        for file in {*ours[:1], *ours[3::2]} - {-1}:
            os.close(file)
        self._closed_child_pipe_fds = True  # as Popen's own does


class _Loaded:
    """The process that has loaded r2po, from the outside."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": python_path()}
        command = [sys.executable, "-m", "tests.process.preloaded", str(theirs.fileno())]
        nothing = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, env=env, stdin=nothing, stdout=nothing, pass_fds=[theirs.fileno()]
        )
        theirs.close()
        self._lock = threading.Lock()
        atexit.register(self._end)

    def fork(self, request: dict[str, Any], files: Sequence[int]) -> int:
        """Return the new process, which is a child of this one."""
        with self._lock:
            _adopt(True)  # what its first parent leaves behind, which ends at once
            try:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
                self._ours.sendmsg([json.dumps(request).encode()], rights)
                answer = self._ours.recv(64)
            finally:
                _adopt(False)  # others are not ours to wait for
        assert answer, "the process that has loaded r2po has ended"
        return int(answer)

    def _end(self) -> None:
        self._ours.close()
        self._process.wait()


@cache
def _loaded() -> _Loaded:
    return _Loaded()


def _adopt(whether: bool) -> None:
    assert ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(whether), 0, 0, 0) == 0


def main() -> None:
    """Load r2po, and fork for each request; returns in each process that was asked for, to run its command."""
    for name in _MODULES:
        __import__(name)
    assert threading.active_count() == len(list(Path("/proc/self/task").iterdir())) == 1, (
        "a fork copies one thread only"
    )
    asking = socket.socket(fileno=int(sys.argv[1]))
    while True:
        text, files, _, _ = socket.recv_fds(asking, _MOST_BYTES, len(_STREAMS))
        if not text:
            os._exit(0)
        reading, writing = os.pipe()
        first = os.fork()
        if first == 0:
            second = os.fork()
            if second == 0:
                asking.close()
                _become(json.loads(text), files)
                return
            os.write(writing, str(second).encode())
            os._exit(0)
        os.waitpid(first, 0)  # before the answer: then the second one has its new parent
        asking.sendall(os.read(reading, 64))
        for file in (*files, reading, writing):
            os.close(file)


def _become(request: dict[str, Any], files: Sequence[int]) -> None:
    """Make this process one that was started with a command."""
    if request["session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, file in zip(_STREAMS, files, strict=True):
        os.dup2(file, number)
    # As Python opens them: what is a file and what a pipe is found out once.
    sys.stdin = _stream(sys.stdin, 0, "r")
    sys.stdout = _stream(sys.stdout, 1, "w")
    sys.stderr = _stream(sys.stderr, 2, "w", buffering=1)
    os.closerange(_STREAMS[-1] + 1, 256)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    tempfile.tempdir = None
    random.seed()
    _, *sys.argv = request["command"]


def _stream(like: TextIO, number: int, mode: str, buffering: int = -1) -> TextIO:
    return cast("TextIO", open(number, mode, buffering, like.encoding, like.errors, closefd=False))


def run() -> None:
    """Run the command of this process."""
    if sys.argv[0] == "-m":
        module = sys.argv[1]
        sys.argv = sys.argv[1:]
        sys.path[0] = str(Path.cwd())
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(sys.argv[0]).parent)
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
    run()
