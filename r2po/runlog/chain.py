"""Checksums of a run's files, by which a change to any of them is seen.

``run.yaml`` ends with the checksum of what stands above it. Each line of a ``.jsonl`` file ends with one of the line
and of the checksum before it, and so of all lines above; before the first line stands that of ``run.yaml``. Files of
older versions have none; what is appended to them has.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

DESCRIPTION = "run.yaml"
KEY = "sum"

_DIGITS = 16
_IN_YAML = re.compile(rb"(?:^|(?<=\n))sum: '?([0-9a-f]{16})'?\n\Z")
_IN_LINE = re.compile(rb'(?:,|(?<=\{))"sum":"([0-9a-f]{16})"\}\n\Z')
_IN_JSON = re.compile(rb',\n  "sum": "([0-9a-f]{16})"\n\}\n\Z')


def checksum(data: bytes, before: str = "") -> str:
    """Return the checksum of some bytes, and of what a checksum before them stands for."""
    return hashlib.sha256(before.encode() + data).hexdigest()[:_DIGITS]


def split_yaml(data: bytes) -> tuple[bytes, str | None]:
    """Return what stands above the checksum of ``run.yaml``, and the checksum; None if it has none."""
    return _split(data, _IN_YAML)


def split_json(data: bytes) -> tuple[bytes, str | None]:
    """Return the JSON of ``result.json`` without its checksum, and the checksum; None if it has none."""
    body, said = _split(data, _IN_JSON)
    return (body, None) if said is None else (body + b"\n}\n", said)


def seal_json(data: bytes, before: str) -> bytes:
    """Add the checksum to the indented JSON of ``result.json``."""
    return data.removesuffix(b"\n}\n") + f',\n  "{KEY}": "{checksum(data, before)}"\n}}\n'.encode()


def _split(data: bytes, pattern: re.Pattern[bytes]) -> tuple[bytes, str | None]:
    found = pattern.search(data[-2 * _DIGITS :])
    if found is None:
        return data, None
    return data[: len(data) - len(found[0])], found[1].decode()


def origin(run: Path) -> tuple[str, bool]:
    """Return the checksum with which those of a run's files begin, and whether ``run.yaml`` itself has one."""
    try:
        body, said = split_yaml((run / DESCRIPTION).read_bytes())
    except OSError:
        return checksum(b""), False
    return checksum(body), said is not None


class Chain:
    """The checksums of a file of lines, while it is read and written from its first line on.

    Attributes:
        sum: That of the last line.
        problem: What the first wrong checksum says; empty if there is none.

    ``sealed`` says that each line has one, whatever the run is: no version has written the file without.
    """

    def __init__(self, path: Path, *, sealed: bool = False) -> None:
        self.sum, needed = origin(path.parent)
        self._needed = needed or sealed
        self.problem = ""
        self._path = path
        self._number = 0
        self._known = needed

    def read(self, line: bytes) -> bytes:
        """Take the next line and return it without its checksum."""
        self._number += 1
        found = _IN_LINE.search(line[-2 * _DIGITS :])
        if found is None:
            self.sum = checksum(line, self.sum)
            if self._needed:
                self._complain("it has no checksum, as each line of this run has")
            return line
        body, said = line[: len(line) - len(found[0])] + b"}\n", found[1].decode()
        if said != checksum(body, self.sum):
            before = "lines before it were lost, added or moved"
            first = f"a line before it or {DESCRIPTION} was"
            self._complain(f"its checksum does not fit: it was changed, or {before if self._known else first}")
        self.sum, self._known = said, True
        return body

    def seal(self, body: bytes) -> bytes:
        """Return a line of JSON that is to be written next with its checksum."""
        self._number += 1
        self.sum, self._known = checksum(body, self.sum), True
        comma = b"" if body == b"{}\n" else b","
        return body.removesuffix(b"}\n") + comma + f'"{KEY}":"{self.sum}"}}\n'.encode()

    def _complain(self, what: str) -> None:
        self.problem = self.problem or f"damaged log: {self._path}, line {self._number}: {what}"
