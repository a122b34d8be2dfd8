"""The server: on this machine only, until it is interrupted."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from r2po.errors import InputError
from r2po.report.blocks import Wanted
from r2po.signals import STOPPING
from r2po.view.app import make_app
from r2po.view.guards import new_token
from r2po.view.index import Index

ADDRESS = "127.0.0.1"
PATIENCE_S = 1
"""How long an answer that is under way may take when the server is to end; then the process is left."""
LONGEST_REQUEST = 1 << 17
"""Bytes of a request's head; the address that compares the most runs has some 40 thousand."""


def serve(root: Path, port: int, wanted: Wanted, tell: Callable[[str], None]) -> None:
    """Serve a folder of logs until a signal ends the process.

    Args:
        root: The folder, by its true path.
        port: The port; 0 for a free one.
        wanted: What pages of runs are to hold.
        tell: Called with the address once requests are answered, or wait to be.

    Raises:
        InputError: The port cannot be used.
    """
    with closing(_listening(port)) as listener:
        port = int(listener.getsockname()[1])
        token, index = new_token(), Index(root)
        server = _Server(config_of(make_app(index, port, token, wanted)))
        threading.Thread(target=index.read_all, daemon=True).start()
        tell(f"http://{ADDRESS}:{port}/?token={token}")
        with _ended_by_signals(server):
            server.run(sockets=[listener])


def config_of(app: ASGIApp) -> uvicorn.Config:
    """Return how an app is served."""
    return uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        http="h11",
        h11_max_incomplete_event_size=LONGEST_REQUEST,
        access_log=False,  # it would hold the token
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2 * PATIENCE_S,
    )


class _Server(uvicorn.Server):
    """A server without handlers of signals of its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to who runs it."""
        yield


@contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Let a signal end the server and then the process, soon, whatever threads do: one may wait for a drive for ever.

    Python waits for threads at its end. So the handlers stay: another signal would print a traceback then.
    """
    arrived: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        if arrived:
            _leave(number)
        arrived.append(number)
        server.should_exit = True
        last_resort = threading.Timer(PATIENCE_S, _leave, (number,))
        last_resort.daemon = True
        last_resort.start()

    before = {number: signal.signal(number, end) for number in STOPPING}
    yield
    for number in arrived:
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, None)
        raise SystemExit(128 + number)


def _leave(number: int) -> None:
    """End the process with the exit code of a signal. Nothing is lost: this process only reads."""
    os._exit(128 + number)


def _listening(port: int) -> socket.socket:
    """Return a socket that listens on this machine alone."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"port {port} is in use on this machine; choose another --port, or none for a free one"
            ) from None
        raise InputError(f"cannot use port {port}: {error.strerror or error}") from None
    return listener
