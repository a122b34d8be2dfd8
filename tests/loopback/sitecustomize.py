"""Keeps a Python process on this machine: it reaches loopback and no other host.

tests/conftest.py runs this file, and puts its folder on PYTHONPATH: Python imports a module of this name when it
starts, so the processes that tests start are kept here too. Not kept are processes that do not see PYTHONPATH (python
-I or -E, an environment of their own), those of a Ray cluster, other programs, and libraries in C that open sockets
themselves.
"""

from __future__ import annotations

import re
import sys
from typing import Any

LOOPBACK = re.compile(r"|localhost|127(\.\d+){3}|::1|0\.0\.0\.0|::")
CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
RESOLVING = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to look up or to connect to a host other than this one (an audit hook, see ``sys.addaudithook``)."""
    if event in CONNECTING:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a path where it is a Unix socket
    elif event in RESOLVING:
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host is None or LOOPBACK.fullmatch(host):
        return
    if host.endswith(".invalid"):
        import socket

        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")  # as everywhere, but at once
    # Not an OSError, which code under test would take for an outage; a built-in, which other processes can unpickle.
    raise RuntimeError(f"tests reach no host but this one: {event} {host}")


sys.addaudithook(watch)
