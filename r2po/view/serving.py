"""The server: on this machine only, until it is interrupted."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import uvicorn

from r2po.errors import InputError
from r2po.report.blocks import Wanted
from r2po.view.app import make_app
from r2po.view.guards import new_token
from r2po.view.index import Index

ADDRESS = "127.0.0.1"
PATIENCE_S = 1
"""How long an answer that is under way may take when the server is to end."""


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
        config = uvicorn.Config(
            make_app(index, port, token, wanted),
            lifespan="off",
            ws="none",
            http="h11",
            access_log=False,  # it would hold the token
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=PATIENCE_S,
        )
        threading.Thread(target=index.read_all, daemon=True).start()
        tell(f"http://{ADDRESS}:{port}/?token={token}")
        uvicorn.Server(config).run(sockets=[listener])


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
