"""Small versions of what the tests need again and again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from r2po.config import Config, resolve
from r2po.experiment.loop import Experiment
from r2po.experiment.observer import Observer
from r2po.experiment.setting import Setting
from r2po.llm.client import Client, Model
from r2po.llm.store import CallStore
from r2po.llm.types import SEARCH, Provider
from r2po.methods import METHODS
from r2po.policies import NumericFamily, Parameters, Policy, PolicyConfig, Solution, make_policy
from r2po.policies.policy import StatelessPolicy
from r2po.prompts import Brief, rendering
from r2po.registry import Registry, T
from r2po.rollout import Rollout, Rollouts
from r2po.rollout.types import End
from r2po.runlog import RunDirectory
from r2po.tasks import TASKS
from r2po.tasks.spaces import Spaces

CONFIGS = Path(__file__).parent.parent / "configs"
PROMPTED = tuple(name for name, method in METHODS.items() if method.asks_model and method.searches != "programs")
"""The methods that ask a model and search any kind of policies."""


def make_config(environment: str, method: str = "r2po", **values: Any) -> Config:
    """Return a resolved config for an environment, given by the name of its task."""
    required = {
        "gym_env_name": TASKS[environment].gym_id,
        "method": method,
        "llm_model_name": "embedded/search",
        "logdir": "logs/test",
    }
    return resolve({**required, **values}, "test")


def make_brief(environment: str, method: str = "r2po", **values: Any) -> Brief:
    """Return what the prompts of an experiment draw on."""
    setting = Setting(make_config(environment, method, **values), seed=1)
    setting.close()
    return setting.brief


def make_family(name: str, spaces: Spaces, config: PolicyConfig | None = None) -> NumericFamily:
    """Return one of the families whose solutions are parameters."""
    return numeric(make_policy(name, spaces, config or PolicyConfig()))


def numeric(family: object) -> NumericFamily:
    """Return a family that must be one whose solutions are parameters."""
    assert isinstance(family, NumericFamily)
    return family


def numbers(solution: Solution) -> Parameters:
    """Return a solution that must be parameters."""
    assert isinstance(solution, tuple)
    return solution


def act(policy: Policy, observations: NDArray[Any]) -> NDArray[Any]:
    """Return the actions of a policy without memory."""
    assert isinstance(policy, StatelessPolicy)
    return policy(observations)


def make_rollout(rewards: Sequence[float], end: End = "terminated", seed: int = 0) -> Rollout:
    """Return a rollout with numbered states 0, 1, 2, ... and action 0 throughout."""
    steps = len(rewards)
    return Rollout(seed, np.arange(steps + 1), np.zeros(steps, np.int64), np.array(rewards, np.float64), end)


def make_rollouts(returns: Sequence[float]) -> Rollouts:
    """Return one-step rollouts with these returns."""
    return Rollouts.of(tuple(make_rollout([value], seed=index) for index, value in enumerate(returns)))


MODEL: Mapping[str, Any] = {"name": "scripted/model", "sampling": {}, "prices": None}


@contextmanager
def open_client(provider: Provider, folder: Path, **changes: Any) -> Iterator[Client]:
    """Give a client that never really waits and keeps its calls in ``folder``."""
    model = Model(provider, *(changes.pop(key, default) for key, default in MODEL.items()))
    settings: Mapping[str, Any] = {
        "models": {SEARCH: model},
        "store": CallStore(folder),
        "max_attempts": 8,
        "max_wait_s": 600.0,
        "sleep": lambda _: None,
    }
    client = Client(**{**settings, **changes})
    try:
        yield client
    finally:
        client.store.close()


@contextmanager
def open_experiment(
    config: Config, provider: Provider, folder: Path, *, directory: RunDirectory | None = None
) -> Iterator[Experiment]:
    """Give an experiment with seed 1, in this run directory or in a new one under ``folder``."""
    setting = Setting(config, seed=1)
    directory = directory or RunDirectory.create(folder)
    try:
        with open_client(provider, directory.path) as client:
            yield Experiment(setting, directory, client, Observer())
    finally:
        setting.close()


@contextmanager
def editable_templates(folder: Path) -> Iterator[Path]:
    """Make prompts from a copy of the templates in a new folder, which may be edited."""
    with pytest.MonkeyPatch.context() as patch:
        shutil.copytree(rendering._FOLDER, folder)
        patch.setattr(rendering, "_FOLDER", folder)
        rendering._environment.cache_clear()
        try:
            yield folder
        finally:
            rendering._environment.cache_clear()


def register(registry: Registry[T], item: T, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register something for the length of a test."""
    monkeypatch.setattr(registry, "_items", dict(registry))
    registry.register(item)


def answer(params: Parameters | Sequence[float]) -> str:
    """Write parameters as a model is asked to."""
    return ", ".join(f"params[{index}]: {value}" for index, value in enumerate(params))
