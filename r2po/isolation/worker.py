"""The worker: a process that loads what policies may import, locks itself, and then runs one policy for its parent."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import CodeType, ModuleType
from typing import Any, NoReturn

import numpy as np

from r2po.isolation import protocol, report
from r2po.isolation.actions import read_continuous, read_discrete
from r2po.isolation.episode import FILE, IMPORTS, Episode, allowed_modules
from r2po.isolation.lock import leave_the_parent, lock
from r2po.isolation.protocol import HEADER, Signature

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


@dataclass
class Work:
    """A policy at work: its episodes by slot."""

    source: str
    signature: Signature
    episodes: list[Episode]
    steps: int = 0


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
    reserve = [bytearray(1 << 22)]  # to say that there is no memory any more
    kind, content = pipes.receive()
    encoded, seeds, signature = protocol.unpack_load(content)
    source = encoded.decode()
    try:
        code = compile(source, FILE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        pipes.send(protocol.FAILURE, report.syntax_failure(error, source))
        os._exit(0)
    work = Work(source, signature, [])
    try:
        _begin(work, code, seeds, modules)
        pipes.send(protocol.LOADED)
        reader = read_discrete if signature.discrete else read_continuous
        while True:
            kind, content = pipes.receive()
            if kind != protocol.ACT:
                os._exit(0)
            work.steps += 1
            actions = _act(work, content, reader)
            pipes.send(protocol.ACTIONS, protocol.pack_actions(work.steps, actions))
    except BaseException as error:  # noqa: BLE001 - a policy may raise anything, SystemExit too
        reserve.clear()
        pipes.send(protocol.FAILURE, report.failure(error, source, work.steps))
    os._exit(0)


def _begin(work: Work, code: CodeType, seeds: Sequence[int], modules: dict[str, ModuleType]) -> None:
    for seed in seeds:
        work.episodes.append(Episode(code, seed, modules))


def _act(work: Work, content: bytes, reader: Callable[[list[Any], Signature], bytes]) -> bytes:
    slots, data = protocol.unpack_act(content)
    observations: Any
    if work.signature.observation_size is None:
        observations = np.frombuffer(data, "<i8").tolist()
    else:
        observations = np.frombuffer(data, "<f8").copy().reshape(len(slots), work.signature.observation_size)
    actions = []
    for slot, observation in zip(slots, observations, strict=True):
        episode = work.episodes[slot]
        episode.enter()
        actions.append(episode.act(observation))
    return reader(actions, work.signature)
