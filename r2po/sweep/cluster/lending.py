"""One run directory on the machine of the command, while the run works on a copy of it on another node.

It is locked all the time. What comes from the node is written as the run itself would write it here.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from r2po.errors import InputError
from r2po.runlog import RunDirectory, RunLockedError
from r2po.runlog.only_writer import OnlyWriter
from r2po.runlog.trajectories import TRAJECTORIES
from r2po.sweep.cluster.carrying import PIECE_BYTES, Piece


class LentRun:
    """Holds a run directory, and writes what its copy has more; any number of threads may ask.

    Raises:
        RunLockedError: Somebody else has it.
        InputError: It cannot be locked.
    """

    def __init__(self, directory: RunDirectory, *, is_new: bool) -> None:
        self.is_new = is_new
        self._directory = directory
        self._turn = threading.Lock()
        self._logs: dict[str, _Log] = {}
        self._parts: dict[str, io.BufferedWriter] = {}
        self._done: dict[str, int] = {}
        self._was_written = False
        self._closed = ""
        directory.lock()

    def content(self) -> tuple[Mapping[str, int], Sequence[str]]:
        """Return the sizes of its files by name, and the names of its folders; hidden ones are left out.

        Raises:
            OSError: One cannot be looked at.
        """
        files, folders = dict[str, int](), list[str]()
        for path in _shown(self._directory.path):
            if path.is_dir():
                folders.append(path.name)
                inside = _shown(path) if path.name == TRAJECTORIES else []
                files |= {f"{path.name}/{each.name}": each.stat().st_size for each in inside}
            else:
                files[path.name] = path.stat().st_size
        return files, folders

    def read(self, name: str, start: int) -> bytes:
        """Return the next piece of a file; empty at its end.

        Raises:
            OSError: It cannot be read.
        """
        with self._path(name).open("rb") as file:
            file.seek(start)
            return file.read(PIECE_BYTES)

    def write(self, piece: Piece) -> None:
        """Write a piece; when this returns, it is written as surely as the piece says.

        A piece that comes again, since its answer was lost, is there already.

        Raises:
            OSError: It does not follow what was written before, an earlier one failed, or this one.
            RunLockedError: Another process has written to the file, or the run was lent to another node since.
        """
        with self._turn:
            if self._closed:
                raise RunLockedError(self._closed)
            path = self._path(piece.name)
            if piece.number <= self._done.get(piece.name, 0):
                return
            self._was_written = True
            if piece.anew:
                self._replace(path, piece)
            else:
                self._append(path, piece)
            self._done[piece.name] = piece.number

    def remove(self) -> None:
        """Delete it, if it was made for this loan: the run never began."""
        with self._turn:
            if self.is_new and not self._closed:
                self._directory.remove()

    def give_back(self) -> None:
        """The run has ended on the node."""
        if not self._was_written:
            self.remove()
        self.close(f"{self._directory.path} was given back")

    def close(self, why: str = "") -> None:
        """Let others have it; nothing more is written."""
        with self._turn:
            if self._closed:
                return
            self._closed = why or f"{self._directory.path} is being run on another node by now"
            files: list[_Log | io.BufferedWriter] = [*self._logs.values(), *self._parts.values()]
            for file in files:
                with suppress(OSError):
                    file.close()
            self._directory.close()

    def _append(self, path: Path, piece: Piece) -> None:
        if piece.name not in self._logs:
            self._logs[piece.name] = _Log(path)
        self._logs[piece.name].append(piece)

    def _replace(self, path: Path, piece: Piece) -> None:
        temporary = path.with_name(f".{path.name}.tmp")
        if piece.start == 0:
            path.parent.mkdir(exist_ok=True)
            if piece.name in self._parts:  # it is begun anew, and nothing of the old one may be written later
                self._parts.pop(piece.name).close()
            self._parts[piece.name] = temporary.open("wb")
        file = self._parts.get(piece.name)
        if file is None or file.tell() != piece.start:
            raise OSError(f"a part of {path} is missing before byte {piece.start}")
        file.write(piece.data)
        if piece.more:
            return
        with self._parts.pop(piece.name):
            file.flush()
            if piece.sync:
                os.fsync(file.fileno())
        temporary.replace(path)

    def _path(self, name: str) -> Path:
        """Return the path of a file; a node can name none outside the run directory, nor a hidden one."""
        parts = name.split("/")
        inside = len(parts) == 1 or (len(parts) == 2 and parts[0] == TRAJECTORIES)
        if not inside or any(not part or part.startswith(".") or "\0" in part for part in parts):
            raise OSError(f"{name!r} is no file of a run directory")
        return self._directory.path / name


class _Log:
    """A file of lines that grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = OnlyWriter(path)
        self._file.end = end_of_lines(path)

    def append(self, piece: Piece) -> None:
        self._file.check_alone()
        if piece.start != self._file.end:
            raise OSError(f"{self._path} ends at byte {self._file.end}, and what comes next begins at {piece.start}")
        with self._file.writing(piece.data):
            if piece.sync and not piece.more:
                self._file.sync()

    def close(self) -> None:
        self._file.close()


def end_of_lines(path: Path) -> int:
    """Return where the last whole line of a file ends: behind it there may be the torn rest of one."""
    with path.open("rb") as file:
        place = file.seek(0, os.SEEK_END)
        while place > 0:
            start = max(0, place - PIECE_BYTES)
            file.seek(start)
            found = file.read(place - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            place = start
    return 0


def _shown(folder: Path) -> list[Path]:
    """Return what is in a folder, but for hidden files.

    Raises:
        InputError: Something there is neither a file nor a folder.
    """
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    odd = next((path for path in paths if not path.is_file() and not path.is_dir()), None)
    if odd is not None:
        raise InputError(f"{odd} is neither a file nor a folder, so that no node can be given a copy of the run")
    return paths
