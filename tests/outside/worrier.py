"""A provider from outside the package: it answers at random, and speaks of the worst rollout."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from r2po.llm.types import Reply, Request


class Worrier:
    """Needs no key and contacts nobody."""

    name = "worrier"
    is_stand_in = False

    def __init__(self, model: str) -> None:
        self.model = model

    def check(self) -> None:
        """There is nothing to reach."""

    def restore(self, sent: Mapping[str, Any]) -> None:
        """There is nothing to remember."""

    def complete(self, request: Request) -> Reply:
        """Give random parameters, as many as the prompt names."""
        draw = random.Random(f"{request.prompt} {request.sample}")
        size = 1 + max(int(index) for index in re.findall(r"params\[(\d+)\]", request.prompt))
        params = ", ".join(f"params[{index}]: {draw.randint(-60, 60) / 10}" for index in range(size))
        return Reply(f"The worst rollout fails early. {params}")
