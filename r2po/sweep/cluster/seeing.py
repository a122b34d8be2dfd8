"""Whether a machine sees the files of a sweep, and not a folder of the same name on a disk of its own."""

from __future__ import annotations

import os
import time
from pathlib import Path

PATIENCE_S = 10.0
"""How long a new file may take to be seen on another node: clients of file servers remember what a folder held."""


def obstacle_here(folder: str, token: str, patience_s: float = PATIENCE_S) -> str:
    """Return why this machine does not see the files of a sweep; empty if it does, and then it works among them.

    ``folder`` is the working directory of the sweep, ``token`` the path of a file that the sweep has just made among
    its logs: a folder of the same name on the node's own disk does not have it.
    """
    try:
        Path(folder).stat()
        return _obstacle(Path(token), time.monotonic() + patience_s) or _enter(folder)
    except OSError as error:
        return f"{error.filename or folder} is not on this node ({error.strerror})"


def _obstacle(token: Path, until: float) -> str:
    if not token.parent.is_dir():
        return f"{token.parent} is not on this node"
    while not token.exists():
        if time.monotonic() > until:
            return f"{token.parent} on this node is another folder: a file that was just made there is missing"
        time.sleep(0.2)
        list(token.parent.iterdir())  # makes some clients of file servers look again
    return ""


def _enter(folder: str) -> str:
    os.chdir(folder)
    return ""
