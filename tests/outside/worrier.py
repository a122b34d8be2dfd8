"""A provider from outside the package: it answers at random, and speaks of the worst rollout."""

from __future__ import annotations

import random
import re

from r2po.llm.registry import PROVIDERS, ProviderKind
from r2po.llm.types import Provider, Reply, Request


class Worrier(Provider):
    """Needs no key and contacts nobody."""

    is_stand_in = False

    def complete(self, request: Request) -> Reply:
        """Give random parameters, as many as the prompt names, or a rule where it names none."""
        draw = random.Random(f"{request.prompt} {request.sample}")
        named = re.findall(r"params\[(\d+)\]", request.prompt)
        answer = ", ".join(
            f"params[{i}]: {draw.randint(-60, 60) / 10}" for i in range(1 + max(map(int, named), default=0))
        )
        if not named:
            answer = f"s[{draw.randrange(6)}] > {draw.uniform(-1, 1):.2f}: {draw.randrange(3)} else {draw.randrange(3)}"
        return Reply(f"The worst rollout fails early. {answer}")


PROVIDERS.register(
    ProviderKind(
        "worrier",
        "Worrier",
        "worrier/<name>",
        matches=lambda name: name.startswith("worrier/"),
        make=lambda _name, _settings: Worrier(),
    )
)
