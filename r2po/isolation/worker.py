"""The worker: a process that loads what policies may import, locks itself, and then runs one source for its parent.

The source is a policy, or a function that summarizes episodes.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from types import CodeType, ModuleType
from typing import NoReturn

from r2po.isolation import protocol, report
from r2po.isolation.episode import FILE, IMPORTS, allowed_modules
from r2po.isolation.lock import leave_the_parent, lock
from r2po.isolation.protocol import HEADER
from r2po.isolation.work import WORKS, Work

_CHUNK = 1 << 16


class Pipes:
    """The two pipes to the parent."""

    def __init__(self, requests: int, replies: int) -> None:
        self._requests, self._replies = requests, replies

    def receive(self) -> tuple[int, bytes]:
        """Return the kind and the content of the next frame; end when there is no parent any more."""
        data = self._read(HEADER.size)
        kind, length = HEADER.unpack(data)
        return kind, self._read(length)

    def send(self, kind: int, content: bytes = b"") -> None:
        """Send a frame."""
        data = protocol.frame(kind, content)
        while data:
            data = data[os.write(self._replies, data) :]

    def _read(self, count: int) -> bytes:
        parts = []
        while count:
            part = os.read(self._requests, min(count, _CHUNK))
            if not part:
                os._exit(0)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Lock this process and serve its parent until that closes the pipe.

    Args:
        arguments: The parent's process id, megabytes, seconds of CPU, layers to leave out, further imports; the
            last two with commas. Those of the process by default.
    """
    parent, memory, cpu, without, further = sys.argv[1:] if arguments is None else arguments
    pipes = Pipes(*leave_the_parent(int(parent)))
    try:
        modules = _load_modules(list(filter(None, further.split(","))))
        layers = lock(int(memory), int(cpu), without.split(","))
    except Exception as error:  # noqa: BLE001 - the parent says it
        pipes.send(protocol.BROKEN, report.pack("error", f"{type(error).__name__}: {error}"))
        os._exit(1)
    pipes.send(protocol.READY, protocol.pack_layers(layers))
    _serve(pipes, modules)


def _load_modules(further: Sequence[str]) -> dict[str, ModuleType]:
    for name in (*IMPORTS, *further):
        import_module(name)
    warnings.simplefilter("ignore")  # nobody would see them
    sys.path.clear()
    gc.collect()
    gc.freeze()
    return allowed_modules(further)


def _serve(pipes: Pipes, modules: dict[str, ModuleType]) -> NoReturn:
    """Do one work after the other: only constants are tuned in a worker that loads several sources."""
    reserve = [bytearray(1 << 22)]  # to say that there is no memory any more
    kind, content = pipes.receive()
    while kind in WORKS:
        work = WORKS[kind](content, modules)
        try:
            code = compile(work.source, FILE, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            pipes.send(protocol.FAILURE, report.syntax_failure(error, work.source))
            os._exit(0)
        try:
            kind, content = _do(pipes, work, code)
        except BaseException as error:  # noqa: BLE001 - a policy may raise anything, SystemExit too
            reserve.clear()
            pipes.send(protocol.FAILURE, report.failure(error, work.source, work.steps, work.place))
            os._exit(0)
        del work, code  # before the next ones take memory
    os._exit(0)


def _do(pipes: Pipes, work: Work, code: CodeType) -> tuple[int, bytes]:
    """Answer what is asked of a source; return the first frame that asks for something else."""
    work.begin(code)
    pipes.send(protocol.LOADED)
    kind, content = pipes.receive()
    while kind == work.asked:
        work.steps += 1
        pipes.send(*work.answer(content))
        kind, content = pipes.receive()
    return kind, content
