"""A place where hostile policies can be let loose, and where it is seen from outside what they achieved."""

from __future__ import annotations

import ctypes
import os
import socket
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from r2po.isolation.attacks import Attack, Target
from r2po.isolation.box import Box
from r2po.isolation.limits import Limits
from r2po.isolation.outcomes import PolicyFailed
from r2po.isolation.protocol import Signature
from r2po.isolation.wall import Isolation

LIMITS = Limits(step_s=2.0, cpu_s=30, memory_mb=512)
"""Short, so that endless loops end soon."""
_MISTAKES = {"syntax", "policy", "error", "action"}
_SIGNATURE = Signature(1, 1, discrete=False)
_OBSERVATION = bytes(8)
_HARMLESS = """
import numpy

class Policy:
    def act(self, obs):
        return numpy.ones(1)
"""


@dataclass(frozen=True)
class Outcome:
    """What came of an attack.

    Attributes:
        stopped: Whether it got nothing, by what is seen from outside and by what it says itself.
        text: How it ended, in one line.
    """

    stopped: bool
    text: str


class Range:
    """Targets for attacks: a file, listeners on loopback, some bytes in this process."""

    def __init__(self, folder: Path, tcp: socket.socket, udp: socket.socket, limits: Limits) -> None:
        self._limits = limits
        self._tcp, self._udp = tcp, udp
        secret, self._new = folder / "secret", folder / "new"
        secret.write_text("a secret")
        self._bytes = ctypes.create_string_buffer(b"secret in memory")
        port = int(tcp.getsockname()[1])
        self.target = Target(os.getpid(), str(secret), str(self._new), port, ctypes.addressof(self._bytes))

    def attempt(self, attack: Attack, isolation: Isolation = "auto", without: Collection[str] = ()) -> Outcome:
        """Let a hostile policy loose."""
        with Box(isolation, self._limits, without=without) as box:
            succeeded, text = _run(box, attack.source(self.target))
        trace = self.trace()
        return Outcome(not (succeeded or trace), trace or text)

    def trace(self) -> str:
        """Return what an attack left outside, and remove it."""
        if self._new.exists():
            self._new.unlink()
            return "it made a file"
        with suppress(BlockingIOError):
            self._tcp.accept()[0].close()
            return "it connected"
        with suppress(BlockingIOError):
            self._udp.recv(100)
            return "its message arrived"
        return ""


def _run(box: Box, source: str) -> tuple[bool, str]:
    try:
        box.load(source, [0], _SIGNATURE)
        succeeded = box.act([0], _OBSERVATION)[0] != 0
    except PolicyFailed as failed:
        # A mistake in an attack must not look like a wall that stops it.
        return failed.failure.kind in _MISTAKES, _last_line(failed)
    return succeeded, "it got what it wanted" if succeeded else "it found nothing"


@contextmanager
def open_range(limits: Limits = LIMITS) -> Iterator[Range]:
    """Set the targets up, and take them away again."""
    with (
        tempfile.TemporaryDirectory(prefix="r2po-") as folder,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        tcp.listen()
        tcp.setblocking(False)
        udp.setblocking(False)
        yield Range(Path(folder), tcp, udp, limits)


def harmless(isolation: Isolation = "auto") -> str:
    """Run a harmless policy and say what is wrong, if anything is; attacks that fail would then prove nothing."""
    with Box(isolation, LIMITS) as box:
        try:
            box.load(_HARMLESS, [0], _SIGNATURE)
            works = box.act([0], _OBSERVATION)[0] == 1
        except PolicyFailed as failed:
            return _last_line(failed)
    return "" if works else "its action is wrong"


def _last_line(failed: PolicyFailed) -> str:
    return f"{failed.failure.kind}: {failed.failure.text.splitlines()[-1]}"
