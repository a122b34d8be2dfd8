"""The provider of the plugin: it draws parameters from a hash of the prompt.

If there is a file ``kill``, it kills its own process in the second iteration, as a batch system would.
"""

from __future__ import annotations

import os
import random
import re
import signal
from pathlib import Path

from r2po.llm.registry import ProviderKind
from r2po.llm.types import Provider, Reply, Request


class Dice(Provider):
    """Needs no key and contacts nobody."""

    is_stand_in = True

    def complete(self, request: Request) -> Reply:
        if request.iteration == 2 and Path("kill").exists():
            Path("kill").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        draw = random.Random(f"{request.prompt} {request.sample}")
        size = 1 + max(map(int, re.findall(r"params\[(\d+)\]", request.prompt)))
        return Reply(", ".join(f"params[{index}]: {draw.randint(-60, 60) / 10}" for index in range(size)))


KIND = ProviderKind(
    name="dice",
    label="dice of the lab",
    usage="dice/<any>",
    matches=lambda name: name.startswith("dice/"),
    make=lambda _name, _settings: Dice(),
)
