"""Texts that grow piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class Texts:
    """Texts under names, which grow by what pieces have under the same names."""

    def __init__(self, names: Iterable[str]) -> None:
        self._parts: dict[str, list[str]] = {name: [] for name in names}

    def add(self, piece: Any) -> int:
        """Append what an object has under the names; return the number of characters."""
        if not isinstance(piece, Mapping):
            return 0
        found = {name: value for name in self._parts if isinstance(value := piece.get(name), str)}
        for name, value in found.items():
            self._parts[name].append(value)
        return sum(map(len, found.values()))

    @property
    def whole(self) -> dict[str, str]:
        """Those of the texts of which anything has come."""
        return {name: "".join(parts) for name, parts in self._parts.items() if parts}


def counted(known: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Return counts with what an object says of them now: of all that came so far, so that none of them shrinks.

    Servers and proxies say 0 where they do not know. What is no count is replaced.
    """
    counts = dict(known)
    for name, said in told(value).items():
        before = counts.get(name)
        if isinstance(said, Mapping):
            counts[name] = counted(before if isinstance(before, Mapping) else {}, said)
        elif not (isinstance(said, int) and isinstance(before, int) and said < before):
            counts[name] = said
    return counts


def told(value: Any) -> dict[str, Any]:
    """Return what an object says, without what it leaves empty; nothing of anything else."""
    entries = value.items() if isinstance(value, Mapping) else ()
    return {key: each for key, each in entries if each is not None and each != ""}
