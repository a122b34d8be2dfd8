"""A price list with the shape of the package genai-prices, which need not be installed."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from types import ModuleType
from typing import Any

import pytest

VERSION = "9.9.9"


@dataclass
class Tier:
    start: int
    price: float


@dataclass
class Tiered:
    base: float
    tiers: list[Tier]


@dataclass
class Listing:
    input_mtok: Any = None
    cache_read_mtok: Any = None
    cache_write_mtok: Any = None
    output_mtok: Any = None
    requests_kcount: Any = None

    def get_prices(self, at: datetime) -> Listing:
        assert at.tzinfo is not None
        return self


LISTED = {
    ("anthropic", "claude-tiny"): Listing(3, 0.3, 3.75, 15),
    ("anthropic", "claude-big"): Listing(15, 1.5, 18.75, 75),
    ("openai", "tiny"): Listing(0.25, 0.025, None, 2),
    ("google", "gemini-tiny"): Listing(Tiered(1, [Tier(200_000, 2)]), Tiered(0.1, []), None, Tiered(10, [])),
    ("openrouter", "google/gemini-tiny"): Listing(0.3, 0.03, 0.083, 2.5),
    ("openrouter", "~google/gemini-latest"): Listing(Tiered(2, [Tier(200_000, 4)]), 0.2, Tiered(0.375, []), 12),
    ("openrouter", "google/gemini-older"): Listing(0.3, 0.075, 0.383, 2.5),
    ("openrouter", "anthropic/claude-tiny"): Listing(3, 0.3, 3.75, 15),
    ("openrouter", "qwen/qwen3-8b"): Listing(0.035, None, None, 0.138),
    ("openrouter", "perplexity/sonar"): Listing(1, None, None, 1, requests_kcount=5),
    ("openai", "whisper"): Listing(None, None, None, 1),
}


@dataclass
class Snapshot:
    providers: dict[tuple[str, str], Listing]
    from_auto_update: bool
    asked: list[str] = field(default_factory=list)

    def find_provider_model(self, model: str, _: None, vendor: str, __: None) -> tuple[str, Listing]:
        if (vendor, model) not in self.providers:
            raise LookupError(model)
        return vendor, self.providers[vendor, model]


def list_prices(monkeypatch: pytest.MonkeyPatch, listed: dict[tuple[str, str], Listing]) -> None:
    """Put a list in the place of the package's."""
    package, data, snapshots = (ModuleType(f"genai_prices{name}") for name in ("", ".data", ".data_snapshot"))
    vars(data)["providers"], vars(snapshots)["DataSnapshot"] = listed, Snapshot
    for module in (package, data, snapshots):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: VERSION if name == "genai-prices" else version(name))
