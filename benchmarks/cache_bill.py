"""What prompts cost where a server keeps their beginnings, as Anthropic's does, and the least that they can cost.

Costs are in tokens of a prompt that the server has never seen and does not keep.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

WRITE, READ = 1.25, 0.1
LIFETIME_S = 300.0
LOOK_BACK = 20
"""Blocks at which the server looks for something kept, counted backwards from a mark."""
MOST_MARKS = 4
MINIMUM = 1024

Count = Callable[[str], int]
"""Counts the tokens of a text."""
Block = tuple[str, bool]
"""A text, and whether it is marked."""


class RefusedError(Exception):
    """The server refuses a request."""


@dataclass(frozen=True)
class Charge:
    """Tokens of a prompt: read from the cache, written to it, and neither."""

    read: int = 0
    written: int = 0
    fresh: int = 0

    @property
    def cost(self) -> float:
        """What they cost."""
        return READ * self.read + WRITE * self.written + self.fresh

    def __add__(self, other: Charge) -> Charge:
        """Add up."""
        return Charge(self.read + other.read, self.written + other.written, self.fresh + other.fresh)


@dataclass
class PromptCache:
    """A server's cache of the beginnings of prompts.

    Attributes:
        count: Counts tokens.
        minimum: Beginnings of fewer tokens are not kept.
    """

    count: Count
    minimum: int = MINIMUM
    _used: dict[tuple[str, ...], float] = field(default_factory=dict)

    def charge(self, blocks: Sequence[Block], now: float) -> Charge:
        """Take a prompt, at a time in seconds; what is kept is told apart by its blocks, not only by its text.

        Raises:
            RefusedError: It has too many marks, or a blank block.
        """
        marks = [number for number, (_, marked) in enumerate(blocks) if marked]
        if len(marks) > MOST_MARKS:
            raise RefusedError(f"A maximum of {MOST_MARKS} blocks with cache_control may be provided.")
        if any(not text.strip() for text, _ in blocks):
            raise RefusedError("text content blocks must contain non-whitespace text")
        texts = tuple(text for text, _ in blocks)
        tokens = list(accumulate(map(self.count, texts)))
        found = max((self._found(texts, mark, now) for mark in marks), default=-1)
        if found >= 0:
            self._used[texts[: found + 1]] = now
        kept = [mark for mark in marks if mark > found and tokens[mark] >= self.minimum]
        for mark in kept:
            self._used[texts[: mark + 1]] = now
        read = tokens[found] if found >= 0 else 0
        written = tokens[kept[-1]] - read if kept else 0
        return Charge(read, written, tokens[-1] - read - written)

    def _found(self, texts: tuple[str, ...], mark: int, now: float) -> int:
        """Return the last block of what is kept, seen from a mark; -1 if there is nothing."""
        for last in range(mark, max(mark - LOOK_BACK, -1), -1):
            used = self._used.get(texts[: last + 1])
            if used is not None and now - used <= LIFETIME_S:
                return last
        return -1


def least(prompts: Sequence[str], count: Count, minimum: int = MINIMUM) -> float:
    """Return a lower bound of what prompts cost in this order, however they are marked.

    Of a prompt, nothing can be read but what it shares with the beginning of an earlier one, and nothing if that is
    less than the minimum. Whatever is read, once or many times, was written at least once, for a quarter more. To read
    as much as possible is the cheapest: it saves 0.9 and costs at most 0.25.
    """
    earlier: list[str] = []
    shared: list[str] = []
    cost = 0.0
    for prompt in prompts:
        place = bisect_left(earlier, prompt)
        beginnings = [common(prompt, other) for other in earlier[max(place - 1, 0) : place + 1]]
        longest = max(beginnings, key=len, default="")
        tokens = count(longest)
        cost += count(prompt)
        if tokens >= minimum:
            cost -= (1 - READ) * tokens
            insort(shared, longest)
        insort(earlier, prompt)
    distinct = sum(map(count, shared)) - sum(count(common(*pair)) for pair in pairwise(shared))
    return cost + (WRITE - 1) * distinct


def common(one: str, other: str) -> str:
    """Return the beginning that two texts share."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return one[:low]
