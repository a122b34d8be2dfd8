"""The parent's side of a worker: what comes from it is taken for hostile."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import ClassVar, NoReturn, TypeVar

from r2po.isolation import protocol
from r2po.isolation.limits import SOURCE_BYTES, TEXT_BYTES, Limits
from r2po.isolation.outcomes import Failure, PolicyFailed, WorkerNotReadyError, clean
from r2po.isolation.process import ClosedError, LateError, Process
from r2po.isolation.protocol import HEADER, KINDS, FailureKind, Signature
from r2po.isolation.wall import InForce, Isolation, check, prefix

_LONGEST_FAILURE = 1 + TEXT_BYTES
Self = TypeVar("Self", bound="Channel")


class Channel:
    """A source in a worker process of its own.

    The kernel kills the worker when the thread ends that started it, so use a channel in one thread only. Close it at
    the end, or use it as a context.

    Args:
        isolation: The wall that is asked for.
        limits: How long and how much the source may take.
        imports: Packages that it may import beside the usual ones.
        without: Layers that are left out (``seccomp``, ``landlock``, ``limits``), to see what the others stop.

    Raises:
        NoWallError: The wall is not to be had here.
        WorkerNotReadyError: The worker did not start.
    """

    who: ClassVar[str]
    """What the source is, for texts."""
    turn: ClassVar[str]
    """What it does when it is asked once, for texts."""

    def __init__(
        self,
        isolation: Isolation = "auto",
        limits: Limits | None = None,
        *,
        imports: Sequence[str] = (),
        without: Collection[str] = (),
    ) -> None:
        self._limits = limits or Limits()
        self._signature: Signature | None = None
        self._steps = 0
        self._deadline = math.inf
        self._failure: Failure | None = None
        words = prefix(isolation)
        # Inside of bubblewrap the parent cannot be seen; bubblewrap itself ends with it.
        parent = 0 if words else os.getpid()
        sizes = [str(parent), str(self._limits.memory_mb), str(self._limits.cpu_s)]
        self._process = Process(words, [*sizes, ",".join(without), ",".join(imports)], ("numpy", *imports))
        try:
            self.in_force: InForce = check(isolation, self._ready())
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    @property
    def cpu_s(self) -> float | None:
        """Seconds of CPU that the worker took, its start included; None as long as it lives."""
        return self._process.cpu_s

    @property
    def failed(self) -> bool:
        """Whether its source has failed; the worker has then ended."""
        return self._failure is not None

    def close(self) -> None:
        """End the worker. Nothing of it is left afterwards."""
        self._process.end()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def _load(self, kind: int, source: str, seeds: Sequence[int], signature: Signature) -> None:
        """Send a source, and wait until it has been executed."""
        self._deadline = time.monotonic() + self._limits.wall_s
        self._signature, self._steps = signature, 0
        encoded = source.encode("utf-8", "replace")
        if len(encoded) > SOURCE_BYTES:
            self._fail("syntax", f"the source has {len(encoded):,} bytes; it may have {SOURCE_BYTES:,}")
        message = protocol.frame(kind, protocol.pack_load(encoded, list(seeds), signature))
        self._exchange(message, protocol.LOADED, _exactly(0), self._limits.load_s, "to load")

    def _ask(self, message: bytes, kind: int, lengths: range) -> bytes:
        """Send a frame that asks for something; return the reply's content without the number that it begins with."""
        self._steps += 1
        lengths = range(lengths.start + protocol.STEP_BYTES, lengths.stop + protocol.STEP_BYTES)
        step, content = protocol.unpack_actions(
            self._exchange(message, kind, lengths, self._limits.step_s, f"for {self.turn}")
        )
        if step != self._steps:
            self._fail("protocol", self._no_reply)
        return content

    @property
    def _no_reply(self) -> str:
        """The same whatever it sent, since timing may decide which breach is seen first."""
        return f"{self.who}'s process sent what is no reply"

    def _ready(self) -> protocol.Layers:
        """Wait until the worker has locked itself; no policy can have a hand in this."""
        deadline = time.monotonic() + self._limits.start_s
        try:
            kind, content = self._receive(protocol.READY, _exactly(protocol.READY_BYTES), deadline)
        except LateError:
            raise WorkerNotReadyError(f"a policy's process was not ready after {self._limits.start_s:g} s") from None
        except ClosedError:
            self._process.wait_for_end()
            raise WorkerNotReadyError(f"a policy's process {_death(self._process.end())} before it was ready") from None
        except PolicyFailed:
            raise WorkerNotReadyError("a policy's process sent something else than that it is ready") from None
        if kind == protocol.READY:
            return protocol.unpack_layers(content)
        raise WorkerNotReadyError(f"a policy's process could not be made ready: {clean(content[1:])}")

    def _exchange(self, message: bytes, kind: int, lengths: range, seconds: float, purpose: str) -> bytes:
        """Send a frame and return the content of the reply, which must be of this kind and one of these lengths."""
        if self._failure is not None:
            raise PolicyFailed(self._failure)
        if self._process.ended:
            raise ValueError("the box is closed")
        deadline = min(time.monotonic() + seconds, self._deadline)
        try:
            self._refuse_unasked()
            self._process.write(message, deadline)
            found, content = self._receive(kind, lengths, deadline)
        except ClosedError:
            self._died()
        except LateError:
            if deadline == self._deadline:
                self._fail("time", f"{self.who} took more than {self._limits.wall_s:g} s for the whole evaluation")
            self._fail("time", f"{self.who} took more than {seconds:g} s {purpose}")
        if found != kind:
            self._fail(KINDS[content[0]], clean(content[1:]))
        return content

    def _receive(self, expected: int, lengths: range, deadline: float) -> tuple[int, bytes]:
        """Return kind and content of the next frame; never holds more than the longest one that is allowed."""
        most = HEADER.size + max(lengths.stop - 1, _LONGEST_FAILURE)
        data = b""
        whole = HEADER.size
        while len(data) < whole:
            data += self._process.read(most - len(data), deadline)
            if len(data) >= HEADER.size:
                kind, length = HEADER.unpack_from(data)
                self._check_header(kind, length, expected, lengths)
                whole = HEADER.size + length
        if len(data) > whole:
            self._fail("protocol", self._no_reply)
        kind, _ = HEADER.unpack_from(data)
        content = data[HEADER.size :]
        if kind == protocol.FAILURE and content[0] >= len(KINDS):
            self._fail("protocol", self._no_reply)
        return kind, content

    def _check_header(self, kind: int, length: int, expected: int, lengths: range) -> None:
        broken = protocol.BROKEN if expected == protocol.READY else protocol.FAILURE
        fits = 1 <= length <= _LONGEST_FAILURE if kind == broken else kind == expected and length in lengths
        if not fits:
            self._fail("protocol", self._no_reply)

    def _refuse_unasked(self) -> None:
        """Fail if something lies in the pipe that nobody asked for."""
        if self._process.has_more():
            self._process.read(1, self._deadline)  # raises ClosedError if the pipe has been closed
            self._fail("protocol", self._no_reply)

    def _died(self) -> NoReturn:
        if not self._process.wait_for_end():
            self._fail("protocol", f"{self.who}'s process closed its pipe")
        code = self._process.end()
        spent = (self._process.cpu_s or 0) >= self._limits.cpu_s
        if code == -signal.SIGXCPU or (code == -signal.SIGKILL and spent):
            self._fail("time", f"{self.who} took more than {self._limits.cpu_s} s of CPU for the whole evaluation")
        self._fail("crash", f"{self.who}'s process {_death(code)}")

    def _fail(self, kind: FailureKind, text: str) -> NoReturn:
        self.close()
        self._failure = Failure(kind, text)
        raise PolicyFailed(self._failure)


def _exactly(length: int) -> range:
    return range(length, length + 1)


def _death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended itself with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return "was killed, perhaps for lack of memory" if code == -signal.SIGKILL else f"died of {name}"
