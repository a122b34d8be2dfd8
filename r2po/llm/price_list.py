"""Prices of the package genai-prices (extra ``prices``), as the package has them: nothing is fetched."""

from __future__ import annotations

import importlib
from datetime import datetime, timezone
from importlib import metadata
from typing import Any

from r2po.errors import InputError
from r2po.installation import install
from r2po.llm.prices import Prices
from r2po.llm.registry import kind_of

PACKAGE = "genai-prices"
AUTO = "auto"
VENDORS = {"anthropic": "anthropic", "gemini": "google", "openai": "openai", "openrouter": "openrouter"}
"""What the package calls who answers to a kind of names."""
_BY_HAND = "set prices.input and prices.output"
_GOOGLE = ("google/", "~google/")
"""How OpenRouter's names of Google's models begin."""


def look_up(model_name: str) -> Prices:
    """Return what the tokens of a model cost today; a prompt so long that it has prices of its own is not thought of.

    Raises:
        InputError: The package is not installed, or does not know the model.
    """
    kind = kind_of(model_name).name
    if kind not in VENDORS:
        raise InputError(f"prices is {AUTO}, and {PACKAGE} lists no prices of {model_name!r}; {_BY_HAND}")
    try:
        data = importlib.import_module("genai_prices.data")
        snapshots = importlib.import_module("genai_prices.data_snapshot")
    except ImportError:
        raise InputError(
            f"prices is {AUTO}, which needs the package {PACKAGE!r}, which is not installed: {install('prices')}"
        ) from None
    version, now = metadata.version(PACKAGE), datetime.now(timezone.utc)
    model = _model_in(model_name, kind)
    # Made from what came with the package: another part of the process may have let it fetch newer prices.
    listed = snapshots.DataSnapshot(providers=data.providers, from_auto_update=False)
    try:
        listing = listed.find_provider_model(model, None, VENDORS[kind], None)[1].get_prices(now)
    except LookupError:
        raise InputError(
            f"prices is {AUTO}, and {PACKAGE} {version} knows no model {model!r} of {VENDORS[kind]}; {_BY_HAND}"
        ) from None
    if None in (listing.input_mtok, listing.output_mtok) or listing.requests_kcount is not None:
        raise InputError(
            f"prices is {AUTO}, and {PACKAGE} {version} has no prices for tokens only of {model!r}; {_BY_HAND}"
        )
    return Prices(
        input=_base(listing.input_mtok),
        cached=_base(listing.cache_read_mtok),
        cache_write=_writing(listing, is_storage=kind == "openrouter" and model.startswith(_GOOGLE)),
        output=_base(listing.output_mtok),
        source=f"{PACKAGE} {version}, looked up on {now:%Y-%m-%d}{_limit(listing.input_mtok)}",
    )


def is_listed(prices: Prices) -> bool:
    """Return whether prices were looked up in the list, as their source says."""
    return (prices.source or "").startswith(f"{PACKAGE} ")


def _model_in(name: str, kind: str) -> str:
    """Return the model in a name, as lists have it: without what chooses the protocol."""
    model = name.strip().removeprefix(f"{kind}:").strip()
    if kind == "openrouter":  # of these kinds, only its names may have the prefix with a slash
        return model.removeprefix("openrouter/").strip()
    return model.removeprefix("models/") if kind == "gemini" else model


def _writing(listing: Any, *, is_storage: bool) -> float | None:
    """Return the price of written tokens.

    Args:
        listing: What the list has of the model.
        is_storage: Whether a price below that of other tokens is that of storage alone, which comes on top of it.
    """
    usual: float = _base(listing.input_mtok)
    written: float | None = _base(listing.cache_write_mtok)
    return usual + written if is_storage and written is not None and written < usual else written


def _base(price: Any) -> Any:
    """Return a price as a number; of one that depends on the length of the prompt, the first."""
    return None if price is None else float(getattr(price, "base", price))


def _limit(price: Any) -> str:
    tiers = getattr(price, "tiers", ())
    return f", for prompts of up to {tiers[0].start:,} tokens" if tiers else ""
