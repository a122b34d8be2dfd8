"""A file by which a node shows that it sees the folder of a sweep, and not another one of the same name."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from r2po.errors import InputError


@contextmanager
def token_in(folder: Path) -> Iterator[Path]:
    """Make a file of a name that no other has, for as long as the block lasts; gives its absolute path.

    Raises:
        InputError: It cannot be made.
    """
    path = folder.absolute() / f".ray-{secrets.token_hex(8)}"
    try:
        path.touch()
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or error}") from None
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
