"""What other people's implementations give, computed once where they run: ``rliable_values.py`` says how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VALUES = json.loads(Path(__file__).with_name("rliable_values.json").read_text(encoding="utf-8"))
TAUS: list[float] = VALUES["taus"]
EXAMPLES: list[dict[str, Any]] = VALUES["examples"]
"""Scores by run and environment, and what rliable makes of them."""


def by_environment(scores: list[list[float]]) -> list[list[float]]:
    """Return the runs of each environment, as our functions take them."""
    return [list(column) for column in zip(*scores, strict=True)]
