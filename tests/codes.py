"""A model that writes policies as code, and runs with it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from r2po.config import Config
from r2po.llm.types import Provider, Reply, Request
from r2po.runlog.records import Result
from tests.builders import make_config
from tests.texts import Killed, run_texts

GOOD = """class Policy:
    def act(self, obs):
        return int(obs[2] + {gain} * obs[3] > 0)"""
"""Holds CartPole's pole up, if ``gain`` is positive."""

CRASHES = """class Policy:
    def __init__(self):
        self.step = 0

    def act(self, obs):
        self.step += 1
        return {{1: 0, 2: 1, 3: 0, 4: 1}}[self.step + {gain} * 0]"""
"""Fails in step 5."""

BROKEN = "class Policy\n    def act(self, obs):\n        return 0  # {gain}"
"""Python cannot read it."""


class Coder(Provider):
    """Writes policies that the prompt alone decides on: some hold the pole, some crash, some cannot be read.

    Attributes:
        kinds: What it writes, drawn by the prompt.
        killed_at: Number of the request during which the process ends; 0 for none.
        requests: What it was asked, in order.
    """

    is_stand_in = True

    def __init__(self, *kinds: str, killed_at: int = 0) -> None:
        self.kinds = kinds or (GOOD, CRASHES, GOOD, BROKEN)
        self.killed_at = killed_at
        self.requests: list[Request] = []

    def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        if len(self.requests) == self.killed_at:
            raise Killed
        digest = hashlib.sha256(f"{request.sample} {request.prompt}".encode()).digest()
        if request.attempt == 1 and digest[2] % 7 == 0:
            return Reply("I cannot say.")
        source = self.kinds[digest[0] % len(self.kinds)].format(gain=digest[1] / 100)
        return Reply(f"<think>class Policy</think>Here it is:\n```python\n{source}\n```\nIt is good.")


def make_code_config(method: str, logdir: Path, **values: Any) -> Config:
    """Return the config of a short run of policies that are code on CartPole."""
    small = {"num_iterations": 4, "num_evaluation_episodes": 3, "heldout_episodes": 2, "max_traj_length": 30}
    model = {"llm_model_name": "writer/code", "logdir": str(logdir), "policy": "code", "seed": 1}
    return make_config("cartpole", method, **{**model, **small, **values})


def run_code(config: Config, coder: Provider, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Result:
    """Run or resume an experiment with this model, and return its result."""
    return run_texts(config, coder, monkeypatch, **options)
