"""Programs for CartPole with known fates, and a model that gives them by role, round, sample and attempt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from r2po.config import Config
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.llm.registry import PROVIDERS, ProviderKind
from r2po.llm.types import Provider, Reply, Request
from r2po.runlog import RunDirectory
from r2po.runlog.records import Result
from tests.builders import make_config, register


def policy(*lines: str, head: str = "") -> str:
    """Return a program whose ``act`` has these lines."""
    return "\n".join(
        [*([head] if head else []), "class Policy:", "    def act(self, obs):", *(f"        {line}" for line in lines)]
    )


LEFT = policy("return 0")
RIGHT = policy("return 1")
GOOD = policy("return int(obs[2] + obs[3] > 0)")
"""Balances the pole for as long as the short runs here last; those above let it fall after some 10 steps."""
CRASH = policy("self.time = getattr(self, 'time', 0) + 1", "return self.table[obs] if self.time == 4 else 0")
BROKEN = "class Policy\n    def act(self, obs):\n        return 0"
NO_NUMBER = policy("return float('nan')")
ALL = "def summarize(observations, actions, rewards):\n    return f'{len(actions)} steps, {sum(rewards):g} in all'"
SUMMARY = "def summarize(observations):\n    return f'{len(observations) - 1} steps'"


def block(source: str) -> str:
    """Return a reply with this program."""
    return f"Here it is.\n```python\n{source}\n```\nIt should work."


class Model(Provider):
    """Answers by a script.

    Attributes:
        script: By ``role``, ``role/round``, ``role/round/sample`` or ``role/round/sample/attempt``, the longest that is
            there: a reply's text.
        requests: What it was asked, in any order where several were under way.
    """

    is_stand_in = True

    def __init__(self, script: Mapping[str, str]) -> None:
        self.script = {"feedback": block(SUMMARY), "reflection": "It is better.", **script}
        self.requests: list[Request] = []
        self._lock = Lock()

    def complete(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
        place = [request.role, *map(str, (request.iteration, request.sample, request.attempt))]
        for length in range(len(place), 0, -1):
            text = self.script.get("/".join(place[:length]))
            if text is not None:
                return Reply(text)
        raise AssertionError(f"not expected: {place}")

    def prompts(self, role: str, iteration: int | None = None) -> list[str]:
        """Return the prompts of a role, by round, sample and attempt."""
        asked = [each for each in self.requests if each.role == role and iteration in (None, each.iteration)]
        return [each.prompt for each in sorted(asked, key=lambda each: (each.iteration, each.sample, each.attempt))]

    @property
    def roles(self) -> list[tuple[int, str, int]]:
        """How often each role asked in each round, in order."""
        keys = list(dict.fromkeys((each.iteration, each.role) for each in self.requests))
        return [(*key, sum((each.iteration, each.role) == key for each in self.requests)) for key in keys]


def make_run_config(logdir: Path, **values: Any) -> Config:
    """Return the config of a short run on CartPole: 2 candidates in 2 episodes of at most 40 steps."""
    small = {"num_iterations": 1, "candidates": 2, "num_evaluation_episodes": 2, "heldout_episodes": 0, "repairs": 0}
    model = {"llm_model_name": "scripted/code", "logdir": str(logdir), "seed": 1, "max_traj_length": 40}
    return make_config("cartpole", "promptpo", **{**model, **small, **values})


def run(config: Config, model: Provider, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Result:
    """Run or resume a search with this model."""
    kind = ProviderKind("scripted", "", "", lambda name: name.startswith("scripted/"), lambda _name, _settings: model)
    with monkeypatch.context() as patch:
        register(PROVIDERS, kind, patch)
        return launch(config, options.pop("resume", None), {}, options.pop("observer", Observer()), **options)


def records(logdir: Path, number: int = 1) -> list[dict[str, Any]]:
    """Return the rounds in the log of a run."""
    return [dict(record) for record in RunDirectory(logdir / f"run_{number}").read_iterations()]


def told(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return stage and fate of each candidate: ``works``, or the kind of its failure."""
    return [(each["stage"], each["failure"]["kind"] if "failure" in each else "works") for each in record["candidates"]]
