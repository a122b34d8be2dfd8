"""What a node that does not see the logs and the machine of the command say to each other; plain data, over Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from r2po.runlog import RunLockedError

PIECE_BYTES = 1 << 20
"""The most that goes over at once: what is longer goes in pieces, each of which is answered before the next one."""

Ask = Callable[..., Any]
"""Calls a method of the ``Receiver``, given its name and arguments. Raises what ``answered`` raises."""


@dataclass(frozen=True)
class Refused:
    """The answer if something cannot be done.

    Attributes:
        problem: Why, in one line.
        taken: Whether somebody else has the run.
    """

    problem: str
    taken: bool = False


@dataclass(frozen=True)
class Input:
    """A file that runs read.

    Attributes:
        path: Its absolute path on the machine of the command.
        sha256: Hash of its content.
        fixed: Whether the node must have it at the same path.
    """

    path: str
    sha256: str
    fixed: bool


@dataclass(frozen=True)
class Lent:
    """A run directory that a node may make a copy of.

    Attributes:
        is_new: Whether the run was not there before.
        files: Sizes of its files, by name.
        folders: Names of its folders.
        notes: Lines for the user.
    """

    is_new: bool
    files: Mapping[str, int]
    folders: Sequence[str]
    notes: Sequence[str]


@dataclass(frozen=True)
class Piece:
    """A part of a write, in order.

    Attributes:
        run: Index of the run.
        loan: Number of its loan: as soon as the run is lent again, what comes under an older number is refused.
        name: The file, from the run directory.
        number: Counts the pieces of this file, from 1: one that comes again is there already.
        start: Where the part begins: in the file, also if it is a new file in the place of the old one.
        more: Whether the write goes on.
        anew: Whether the file is replaced.
        sync: Whether it must survive a power cut.
    """

    run: int
    loan: int
    name: str
    number: int
    start: int
    data: bytes
    more: bool
    anew: bool
    sync: bool


def pieces(data: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """Yield where each piece begins, the piece, and whether there are more; one empty piece if there is no data."""
    for start in range(0, max(1, len(data)), PIECE_BYTES):
        yield start, data[start : start + PIECE_BYTES], start + PIECE_BYTES < len(data)


def answered(answer: Any) -> Any:
    """Return an answer.

    Raises:
        RunLockedError: Somebody else has the run.
        OSError: It was refused for another reason.
    """
    if isinstance(answer, Refused):
        raise RunLockedError(answer.problem) if answer.taken else OSError(answer.problem)
    return answer
