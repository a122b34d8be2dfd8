"""What reading logs says about a run that cannot be used."""

from __future__ import annotations

LARGEST = 1e100
"""Far beyond any return; the squares of larger numbers would overflow."""


class Unusable(Exception):
    """A run that cannot be summed up; the message says why, in one line."""


def one_line(text: str) -> str:
    """Return a text without line breaks."""
    return " ".join(text.split())
