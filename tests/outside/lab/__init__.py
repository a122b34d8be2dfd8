"""A plugin: an environment, its card, a method, policies, a provider and templates, all of them from outside.

Importing it leaves a line in ``imported.txt`` in the working directory, so that tests see whether any of it has run.
"""

from __future__ import annotations

import os
from pathlib import Path

import gymnasium

from r2po import register
from r2po.tasks import read_card

from .method import METHOD
from .policies import Halves
from .provider import KIND

with Path("imported.txt").open("a", encoding="utf-8") as file:
    file.write(f"{os.getpid()}\n")

gymnasium.register("Lab-v0", f"{__name__}.environment:Drift", max_episode_steps=30)
TASK = register(read_card(Path(__file__).parent / "card.yaml"))
register(METHOD)
register(Halves)
register(KIND)
