"""Small files in a sweep's folder of which each process that works on it has its own: named by machine and process."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from r2po.machine import is_running


def own_path(folder: Path, kind: str) -> Path:
    """Return the path of this process's own file of a kind."""
    return folder / f"{kind}-{_host()}-{os.getpid()}.json"


def remove_those_of_the_dead(folder: Path, kind: str) -> None:
    """Remove what killed processes of this machine have left; whether that works makes no difference."""
    for path in folder.glob(f"{kind}-*.json"):
        if _is_of_the_dead(path, kind):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def paths_of_the_living(folder: Path, kind: str) -> Iterator[Path]:
    """Yield the files of all processes but those of this machine that are no more: of others, that is not known."""
    yield from (path for path in sorted(folder.glob(f"{kind}-*.json")) if not _is_of_the_dead(path, kind))


def _is_of_the_dead(path: Path, kind: str) -> bool:
    name, _, process = path.stem.rpartition("-")
    return name == f"{kind}-{_host()}" and not (process.isdecimal() and is_running(int(process)))


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())
