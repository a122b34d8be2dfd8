"""A local server as its user sees it: started, waited for, and stopped whatever happens."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import requests

from r2po import cores
from r2po.errors import InputError
from r2po.installation import install
from r2po.serving.weights import ModelFile

PACKAGE = "xllamacpp"
INSTALL_SERVER = install("local")
CONTEXT = 32_768
"""Tokens of a slot unless others are asked for; llama.cpp shortens it to what the model was made for."""
_STOP_S = 5.0
_BETWEEN_LOOKS_S = 0.05
_ANSWER_S = 10.0
_LONGEST_COMPLAINT = 300
_PATIENT_THREADS = {"OMP_WAIT_POLICY": "passive"}
"""Threads that wait for each other sleep. If they spin, they keep the core from the one that they wait for: on a busy
machine, two threads are then a hundred times slower than one."""


@dataclass(frozen=True)
class ServerSettings:
    """How a model is served.

    Attributes:
        model: The model file.
        port: Where on 127.0.0.1; 0 for a free port.
        context: Most tokens of a prompt and its reply.
        slots: How many calls it answers at once; each has a whole context.
        threads: Threads that compute; None for half as many as there are cores: each waits for the slowest, so that one
            whose core has something else to do as well makes all slower.
        key: The key that every call must carry.
        warmup: Whether it computes once before it listens, so that the first call is no slower than the others.
    """

    model: ModelFile
    port: int = 0
    context: int = CONTEXT
    slots: int = 1
    threads: int | None = None
    key: str = field(default_factory=lambda: f"local-{secrets.token_hex(16)}", repr=False)
    warmup: bool = True


@dataclass(frozen=True)
class Served:
    """A server that listens.

    Attributes:
        base_url: Its address for OpenAI's protocol.
        key: The key that it wants.
        name: What configs call its model.
        context: Most tokens of a prompt and its reply, as the server says.
        slots: How many calls it answers at once.
        process: Its process.
    """

    base_url: str
    key: str = field(repr=False)
    name: str
    context: int
    slots: int
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables by which runs find it."""
        return {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": self.key}


def server_is_there() -> bool:
    """Whether the package with llama.cpp's server is installed."""
    return find_spec(PACKAGE) is not None


@contextmanager
def serve(settings: ServerSettings) -> Iterator[Served]:
    """Serve a model for as long as the block lasts; it also ends if this process is killed.

    Raises:
        InputError: The server is not installed, or cannot load the model or listen.
    """
    if not server_is_there():
        raise InputError(f"serving a model needs the package {PACKAGE} (llama.cpp's server, MIT): {INSTALL_SERVER}")
    with tempfile.TemporaryFile() as log:
        process = _start(settings, log)
        try:
            yield _listening(settings, process, log)
        finally:
            _stop(process)


def why_it_ended(served: Served) -> str:
    """Wait for the end of a server, which nobody asked for, and say how it ended."""
    code = served.process.wait()
    return f"the server of {served.name} ended by itself ({f'signal {-code}' if code < 0 else f'exit code {code}'})"


def _start(settings: ServerSettings, log: IO[bytes]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603 - this package's own script
        [sys.executable, str(Path(__file__).with_name("process.py"))],  # it needs nothing of this package
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**_PATIENT_THREADS, **os.environ},
        start_new_session=True,  # Ctrl-C is for this process, which then stops the server
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended: its log says why
        process.stdin.write(json.dumps(_told(settings)).encode() + b"\n")
        process.stdin.flush()
    return process


def _told(settings: ServerSettings) -> dict[str, Any]:
    return {
        "path": str(settings.model.path),
        "name": settings.model.name,
        "port": settings.port,
        "key": settings.key,
        "context": settings.context,
        "slots": settings.slots,
        "threads": settings.threads or max(cores.available() // 2, 1),
        "warmup": settings.warmup,
    }


def _listening(settings: ServerSettings, process: subprocess.Popen[bytes], log: IO[bytes]) -> Served:
    """Wait until the server answers.

    Raises:
        InputError: It ended before.
    """
    assert process.stdout is not None
    line = process.stdout.readline()  # empty if it ended
    if not line:
        raise InputError(f"cannot serve {settings.model.path}: {_complaint(log, settings)}")
    address = json.loads(line)["address"]
    with requests.Session() as session:
        session.trust_env = False  # no proxy leads to this machine
        session.headers["Authorization"] = f"Bearer {settings.key}"
        while not _is_healthy(session, address):
            if process.poll() is not None:
                raise InputError(f"cannot serve {settings.model.path}: {_complaint(log, settings)}")
            time.sleep(_BETWEEN_LOOKS_S)
        props = session.get(f"{address}/props", timeout=_ANSWER_S).json()
    context = int(props["default_generation_settings"]["n_ctx"])
    return Served(f"{address}/v1", settings.key, settings.model.name, context, settings.slots, process)


def _is_healthy(session: requests.Session, address: str) -> bool:
    try:
        return session.get(f"{address}/health", timeout=_ANSWER_S).ok
    except requests.RequestException:
        return False


def _complaint(log: IO[bytes], settings: ServerSettings) -> str:
    """Return what the server said last of an error; of several, the first is nearest to the cause."""
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    errors = [line.partition(" E ")[2].strip() for line in lines if " E " in line]
    said = next(iter(errors), "") or (lines[-1].strip() if lines else "it ended without a word")
    port = f"; is port {settings.port} free?" if settings.port and "bind" in said else ""
    return " ".join(said.split())[:_LONGEST_COMPLAINT] + port


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server; it is not waited for longer than a few seconds."""
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
