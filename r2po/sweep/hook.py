"""A command of the user's that is run when something happens to a sweep, e.g. to send a message."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from r2po.llm.known_keys import is_of_provider, secrets_in
from r2po.llm.redaction import Redaction

LIMIT_S = 60.0
"""How long a command may take; then it is ended, and whatever it has started."""
LONGEST_MESSAGE = 10_000
"""Systems refuse variables of more than about 100,000 characters."""
KEPT = 8_192
"""How many bytes of its errors are kept."""
DRAINED_S = 0.5
SHORTEST_SECRET = 8
"""What stands in another variable, too, is no secret if it is shorter: servers without keys are given dummies."""


@dataclass(frozen=True)
class _Call:
    """A command under way."""

    event: str
    process: subprocess.Popen[bytes]
    errors: _Tail
    began: float


class _Tail(threading.Thread):
    """Takes what a command complains of, however much that is, and keeps the end of it."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(name="hook-errors", daemon=True)
        self._pipe = pipe
        self._kept = b""
        self.start()

    def run(self) -> None:
        """Read until all that have the other end have closed it."""
        with self._pipe:
            while said := os.read(self._pipe.fileno(), KEPT):
                self._kept = (self._kept + said)[-KEPT:]

    def last_line(self) -> bytes:
        """Return the last line, once the command has ended."""
        self.join(DRAINED_S)  # what it has left running may keep the pipe open
        lines = self._kept.strip().splitlines()
        return lines[-1] if lines else b""


class Hook:
    """Runs the command beside the sweep; what goes wrong with it is told in one line and stops nothing.

    Used in a ``with`` statement, it waits at the end for commands under way, unless a signal ends the block.

    Args:
        command: For the shell; None to run nothing.
        folder: The folder of the sweep.
        environ: Keys and base URLs, which the command does not get.
        note: Takes the line.
        limit_s: How long a command may take.
    """

    def __init__(
        self,
        command: str | None,
        folder: Path,
        environ: Mapping[str, str],
        note: Callable[[str], None],
        limit_s: float = LIMIT_S,
    ) -> None:
        self._command = command
        self._folder = folder
        self._note = note
        self._limit_s = limit_s
        hidden = secrets_in(environ)
        self._redact = Redaction(hidden).message
        self._environ = _without(hidden)
        self._calls: list[_Call] = []

    def __enter__(self) -> None:
        """Nothing has happened yet."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Wait for commands under way, or end them after Ctrl-C: before, or while it waits.

        What the block has done is done by then: Ctrl-C ends the wait alone.
        """
        try:
            while self._calls and (error is None or isinstance(error, Exception)):
                self.look()
                time.sleep(0.02)
        except KeyboardInterrupt:
            for call in self._calls:
                self._note(f"the hook for {call.event} was interrupted: ended")
        finally:
            for call in self._calls:
                _end(call)
            self._calls.clear()

    def tell(self, event: str, message: str) -> None:
        """Run the command: something happened, such as ``done``, ``failed``, ``cap`` or ``outage``.

        The message is in the environment alone. No shell reads it as code, whatever a server or a model wrote into it.
        """
        if self._command is None:
            return
        text = message.replace("\0", "").encode("utf-8", "replace").decode()[:LONGEST_MESSAGE]
        told = {"R2PO_EVENT": event, "R2PO_SWEEP": str(self._folder.resolve()), "R2PO_MESSAGE": text}
        try:
            process = subprocess.Popen(  # noqa: S602 - the user's own command, which may use the variables
                self._command,
                shell=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**self._environ, **told},
                start_new_session=True,
            )
        except OSError as error:
            self._note(f"the hook was not run for {event}: {error.strerror}")
            return
        assert process.stderr is not None
        self._calls.append(_Call(event, process, _Tail(process.stderr), time.monotonic()))

    def look(self) -> None:
        """Say which commands have failed by now, and end those that take too long."""
        for call in list(self._calls):
            if call.process.poll() is None and time.monotonic() - call.began < self._limit_s:
                continue
            self._calls.remove(call)
            is_late = call.process.returncode is None
            code, said = _end(call)
            if is_late:
                self._note(f"the hook for {call.event} took more than {self._limit_s:g} s: ended")
            elif code:
                told = f": {self._redact(said)}" if said else ""
                self._note(f"the hook for {call.event} failed with exit code {code}{told}")


def _end(call: _Call) -> tuple[int, bytes]:
    """End a command and what it has started; return its exit code, and the last line of what it complained of."""
    if call.process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(call.process.pid, signal.SIGKILL)
    code = call.process.wait()
    return code, call.errors.last_line()


def _without(secrets: list[str]) -> dict[str, str]:
    """Return the environment of this process without providers' variables, and without others that hold a secret."""
    long = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    return {
        name: value
        for name, value in os.environ.items()
        if not is_of_provider(name) and not any(secret in value for secret in long)
    }
