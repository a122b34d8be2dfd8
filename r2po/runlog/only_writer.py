"""A log that one process appends to: what another one adds is noticed, and so is what a failed write may have left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from r2po.runlog.lock import RunLockedError


class OnlyWriter:
    """Appends bytes to a file, flushed; locks exclude nobody on some network drives.

    Attributes:
        end: Where the next bytes go. What is behind it, the rest of a torn line, is cut off by the first write.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab")
        self._size = self.end = self._size_now()
        self._in_doubt = False

    def check_alone(self) -> None:
        """Make sure that the file is as this process has left it.

        Raises:
            OSError: An earlier write failed.
            RunLockedError: Another process has written to it.
        """
        if self._in_doubt:
            raise OSError(f"an earlier write to {self._path} failed")
        if self._size_now() != self._size or self.end > self._size:
            raise RunLockedError(
                f"{self._path.parent} is being run by another process too: it has written to {self._path.name}"
            )

    @contextmanager
    def writing(self, data: bytes) -> Iterator[int]:
        """Append and flush, and give where the data begin. If what is done within fails, so has the write."""
        self._in_doubt = True
        if self.end < self._size:
            self._file.truncate(self.end)
        self._file.write(data)
        self._file.flush()
        start, self.end = self.end, self.end + len(data)
        self._size = self.end
        yield start
        self._in_doubt = False

    def sync(self) -> None:
        """Let what was written survive a power cut."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _size_now(self) -> int:
        return os.fstat(self._file.fileno()).st_size
