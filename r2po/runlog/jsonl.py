"""Append-only JSON lines that survive a kill at any moment, and files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from r2po.errors import InputError
from r2po.runlog.chain import Chain
from r2po.runlog.mirror import mirror_of
from r2po.runlog.only_writer import OnlyWriter


class DamagedLog(InputError):
    """A file of a run directory is not what r2po writes; the message names it, the line and what is wrong."""


def dump(record: Any) -> str:
    """Return one line of JSON; numbers round-trip exactly, keys keep their order."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=_plain, allow_nan=True)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} does not belong in a log")


def iterate_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the complete records one by one. A torn last line, the trace of a kill, is left out; so is a missing file.

    Raises:
        DamagedLog: It cannot be read, or a line before the last is not a JSON object or has a wrong checksum: the file
            was damaged by something else than a kill.
    """
    chain = Chain(path)
    for number, line in enumerate(complete_lines(path, chain), 1):
        record = _parsed(line, path, number)
        check(chain)
        yield record


def complete_lines(path: Path, chain: Chain) -> Iterator[bytes]:
    """Return the lines that end, with their line breaks and without their checksums; none of a missing file.

    What ``chain`` finds wrong with the checksums is for ``check``: parsing a line may say it better.

    Raises:
        DamagedLog: The file cannot be read.
    """
    return map(chain.read, _raw_lines(path))


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(path, error) from None


def sums_of(path: Path) -> list[str]:
    """Return the checksums of a file, before its first line and after each.

    Raises:
        DamagedLog: It is damaged.
    """
    chain = Chain(path)
    sums = [chain.sum, *(chain.sum for _ in complete_lines(path, chain))]
    check(chain)
    return sums


def check(chain: Chain) -> None:
    """Refuse a log of which a checksum was wrong so far."""
    if chain.problem:
        raise DamagedLog(chain.problem)


def unreadable(path: Path, error: OSError) -> DamagedLog:
    """Return the error for a file that cannot be read."""
    return DamagedLog(f"cannot read {path}: {error.strerror or error}")


def _parsed(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict):
        return record
    raise DamagedLog(f"damaged log: {path}, line {number}: not a JSON object")


class Appender:
    """Appends records to a file, one flushed and synced line each, with checksums.

    What a log is to be continued from must be read after its appender was made: that notices what others append later.
    A torn last line is cut off by the first append. ``sealed`` is that of the ``Chain``.

    Raises:
        DamagedLog: The file is damaged.
    """

    def __init__(self, path: Path, *, sealed: bool = False) -> None:
        self._path = path
        self._mirror = mirror_of(path)
        self._chain = Chain(path, sealed=sealed)
        is_new = not path.exists()
        try:
            self._file = OnlyWriter(path)
        except IsADirectoryError as error:
            raise unreadable(path, error) from None
        try:
            self._file.end = self._read()
            if is_new and self._mirror is not None:  # it may stay empty
                self._mirror.appended(path, 0, b"", sync=False)
        except BaseException:
            self._file.close()
            raise

    @property
    def sum(self) -> str:
        """Checksum of the last line, which stands for the whole file."""
        return self._chain.sum

    def append(self, record: Mapping[str, Any], *, sync: bool = True) -> None:
        """Write one record. When this returns, it survives a kill; synced, with all before it, a power cut too.

        Raises:
            RunLockedError: Another process has written to the file.
        """
        self._file.check_alone()
        # Half a surrogate pair, which servers do send, is written as its JSON escape: the file stays valid UTF-8.
        line = self._chain.seal(dump(record).encode(errors="backslashreplace") + b"\n")
        with self._file.writing(line) as start:
            if self._mirror is not None:
                self._mirror.appended(self._path, start, line, sync=sync)
        if sync:
            self._file.sync()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self) -> int:
        end = 0
        for number, line in enumerate(_raw_lines(self._path), 1):
            _parsed(self._chain.read(line), self._path, number)
            check(self._chain)
            end += len(line)
        return end


def write_atomically(path: Path, data: bytes, *, sync: bool = True, writer: str = "") -> None:
    """Write a whole file: readers see the old one or the new one, never a part; unsynced, except after a power cut.

    Several processes may write it if each calls itself another ``writer``.
    """
    temporary = path.with_name(f".{path.name}{writer}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    temporary.replace(path)
    mirror = mirror_of(path)
    if mirror is not None:
        mirror.replaced(path, data, sync=sync)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a whole file of indented JSON, for people too."""
    write_atomically(path, indented(record))


def indented(record: Mapping[str, Any]) -> bytes:
    """Return a file of indented JSON."""
    return f"{json.dumps(record, indent=2, ensure_ascii=False)}\n".encode(errors="backslashreplace")
