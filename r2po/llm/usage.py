"""Counts of tokens, as providers report them, and how they add up."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass, replace
from typing import Any, TypeVar

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
        price_share: The part of the usual prices that the reply costs, as in a batch; None if it costs all of them.
            Of a sum of replies, it is not known.
        cached_price_share: The part that cached tokens cost, where it is another one.
    """

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_tokens: int | None = None
    price_share: float | None = None
    cached_price_share: float | None = None

    def __post_init__(self) -> None:
        """Take a count that no reply can have, as servers may say, for unknown."""
        for name, count in vars(self).items():
            if count is not None and not 0 <= count <= MOST_TOKENS:
                object.__setattr__(self, name, None)

    @property
    def total(self) -> int | None:
        """Tokens of the prompt and the reply."""
        return plus(self.prompt_tokens, self.completion_tokens)

    def at(self, share: float | None, cached_share: float | None) -> Usage:
        """Return the counts of a reply that costs a part of the prices; its cached tokens may cost another part."""
        is_other = share is not None and self.cached_tokens
        return replace(self, price_share=share, cached_price_share=cached_share if is_other else None)

    @property
    def record(self) -> dict[str, Any]:
        """The counts by name, as they are logged; what is known of few replies is left out where it is not known."""
        return {name: count for name, count in asdict(self).items() if count is not None or name not in _RARE}

    def __add__(self, other: Usage) -> Usage:
        """Add up; a count that one of them does not have is unknown."""
        *counts, _, _ = map(plus, astuple(self), astuple(other))
        return Usage(*counts)


_RARE = ("cache_write_tokens", "price_share", "cached_price_share")
"""Most providers do not tell what was written to a cache, and most replies cost the usual prices."""
