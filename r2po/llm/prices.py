"""What tokens cost. Apart from the accounts, since those who only read logs need no store of calls."""

from __future__ import annotations

from pydantic import Field

from r2po.llm.types import Usage
from r2po.validation import Section

PER = 1_000_000
"""Prices are for a million tokens."""


class Prices(Section):
    """Money per million tokens, in any currency. Without a price of their own, cached tokens cost as much as others."""

    input: float = Field(ge=0, allow_inf_nan=False)
    cached: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)

    def cost(self, usage: Usage) -> float | None:
        """Return what a reply cost; None if the provider does not say enough to know."""
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        output = usage.completion_tokens * self.output
        if self.cached is None or self.cached == self.input:
            return (usage.prompt_tokens * self.input + output) / PER
        if usage.cached_tokens is None:
            return None
        fresh = usage.prompt_tokens - usage.cached_tokens
        return (fresh * self.input + usage.cached_tokens * self.cached + output) / PER
