"""What tokens cost. Apart from the accounts, since those who only read logs need no store of calls."""

from __future__ import annotations

from typing import Any

import pydantic
from pydantic import Field

from r2po.llm.usage import Usage
from r2po.validation import Section

PER = 1_000_000
"""Prices are for a million tokens."""


WRITING = 1.25
"""What written tokens cost without a price of their own, against others: what Anthropic takes."""
BATCH = 0.5
"""The part of these prices that replies in a batch cost, at all providers that have batches."""


class Prices(Section):
    """Money per million tokens, in any currency.

    Without prices of their own, tokens that are read from a cache cost as much as others, and those that are written to
    it cost ``WRITING`` times as much. Replies in a batch cost the part ``batch`` of all this.
    """

    input: float = Field(ge=0, allow_inf_nan=False)
    cached: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    cache_write: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)
    batch: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False)
    source: str | None = None
    """Where they are from; it only tells."""

    @pydantic.model_serializer(mode="wrap")
    def _write(self, write: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not set, if it is younger than the other prices."""
        return {key: value for key, value in write(self).items() if key not in _LATER or value is not None}

    @property
    def writing(self) -> float:
        """The price of tokens that are written to a cache."""
        return WRITING * self.input if self.cache_write is None else self.cache_write

    @property
    def told(self) -> str:
        """The prices in a line, for people."""
        named = {"input": self.input, "cached": self.cached, "cache_write": self.cache_write, "output": self.output}
        listed = ", ".join(f"{name} {price:g}" for name, price in named.items() if price is not None)
        return f"{listed} ({self.source})" if self.source else listed

    def cost(self, usage: Usage) -> float | None:
        """Return what a reply cost; None if the provider does not say enough to know.

        A provider that does not say what it wrote does not charge for it.
        """
        usual, share = self._usual(usage), usage.price_share
        if usual is None or share is None:
            return usual
        return usual * share + self._cached_beside(usage, share)

    def _cached_beside(self, usage: Usage, share: float) -> float:
        """Return what cached tokens cost beside their share: Gemini takes all of their price in batches."""
        if usage.cached_price_share is None or self.cached is None:
            return 0.0
        return (usage.cached_price_share - share) * (usage.cached_tokens or 0) * self.cached / PER

    def _usual(self, usage: Usage) -> float | None:
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        output = usage.completion_tokens * self.output
        written = usage.cache_write_tokens or 0
        rest = (written * (self.writing - self.input) if written else 0.0) + output
        if self.cached is None or self.cached == self.input:
            return (usage.prompt_tokens * self.input + rest) / PER
        if usage.cached_tokens is None:
            return None
        fresh = max(usage.prompt_tokens - usage.cached_tokens, 0)  # a server may count the cached ones apart
        return (fresh * self.input + usage.cached_tokens * self.cached + rest) / PER

    def most(self, prompt: int, completion: int, written: int, share: float | None = None) -> float:
        """Return what a call costs at most, if none of its prompt is read from a cache and so much may be written.

        It costs the part ``share`` of the prices; None for all of them.
        """
        dearer = max(self.writing - self.input, 0.0)
        usual = (prompt * self.input + completion * self.output + written * dearer) / PER
        return usual if share is None else usual * share


_LATER = ("cache_write", "batch", "source")
