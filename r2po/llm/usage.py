"""Counts of tokens, as providers report them, and how they add up."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass
from typing import TypeVar

N = TypeVar("N", int, float)


def plus(one: N | None, other: N | None) -> N | None:
    """Return a sum, of which nothing is known if something unknown belongs to it."""
    return None if one is None or other is None else one + other


MOST_TOKENS = 2**53
"""No count of tokens is larger, not even that of a run; larger numbers would not fit into those that money takes."""


@dataclass(frozen=True)
class Usage:
    """Token counts as the provider reports them; None where it does not say.

    Attributes:
        prompt_tokens: Tokens of the prompt, cached ones included.
        cached_tokens: Those of them that were read from the provider's cache.
        completion_tokens: Tokens of the reply, reasoning included.
        reasoning_tokens: Those of them that were reasoning.
        cache_write_tokens: Tokens of the prompt that were written to the provider's cache.
    """

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_tokens: int | None = None

    def __post_init__(self) -> None:
        """Take a count that no reply can have, as servers may say, for unknown."""
        for name, count in vars(self).items():
            if count is not None and not 0 <= count <= MOST_TOKENS:
                object.__setattr__(self, name, None)

    @property
    def total(self) -> int | None:
        """Tokens of the prompt and the reply."""
        return plus(self.prompt_tokens, self.completion_tokens)

    @property
    def record(self) -> dict[str, int | None]:
        """The counts by name, as they are logged; most providers know nothing of writing, and then it is left out."""
        counts = asdict(self)
        if self.cache_write_tokens is None:
            del counts["cache_write_tokens"]
        return counts

    def __add__(self, other: Usage) -> Usage:
        """Add up; a count that one of them does not have is unknown."""
        return Usage(*map(plus, astuple(self), astuple(other)))
