"""What a search looks for: the parameters of a policy, or a policy written as a text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

Parameters: TypeAlias = tuple[float, ...]
"""A flat parameter vector; the numbers of a table are ints."""


@dataclass(frozen=True)
class Program:
    """A policy as a text, which its family knows how to run."""

    source: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the source (UTF-8), as hexadecimal digits."""
        return hashlib.sha256(self.source.encode(errors="surrogatepass")).hexdigest()


Solution: TypeAlias = Parameters | Program
