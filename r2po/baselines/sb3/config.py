"""The config of one environment's suite: every fitting algorithm, several trials each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import pydantic
from pydantic import Field

from r2po.baselines.sb3.algorithms import ALGORITHMS
from r2po.config.config import NotNegative, Positive, Protocol
from r2po.config.load import parse_override, read_yaml, validated, with_entry
from r2po.errors import InputError, unknown
from r2po.tasks import Task, task_for
from r2po.tasks.spaces import Spaces, read_spaces
from r2po.trackers import known_trackers
from r2po.validation import Section

AUTO = "auto"
DEFAULT_EPISODES = 4000
PUBLISHED_HORIZON = 2_000_000_000
"""The published ``episode_budget_max_timesteps``: far more steps than a budget in episodes has."""
PUBLISHED_ALGORITHMS: Mapping[str, tuple[str, ...]] = MappingProxyType({"FrozenLake-v1": ("TRPO",)})
"""The algorithms of the published comparison, by Gymnasium id, where not all that fit were run."""


class SB3Config(Section):
    """All keys of a suite's config; ``docs/baselines.md`` explains them."""

    gym_env_name: str
    logdir: str
    env_name: str | None = None
    protocol: Protocol = "published"
    seed: NotNegative | None = None
    num_trials: Positive = 10
    algorithms: tuple[str, ...] | None = None
    env_kwargs: dict[str, Any] = Field(default={})
    render_mode: str | None = None
    track: list[str] = Field(default=[])

    # The budget of a trial
    budget_mode: Literal["episodes", "steps"] = "episodes"
    budget_target: Positive | None = None
    reference_logdir: str | None = None
    episode_budget_max_timesteps: Positive | None = None

    # What is measured
    use_periodic_eval: bool = True
    eval_every_episodes: Positive = 1
    eval_episodes: Positive = 20
    eval_deterministic: bool = True
    heldout_episodes: NotNegative = 100

    # Hyperparameters
    zoo_hyperparams_dir: str | None = AUTO
    algorithm_hyperparams: dict[str, dict[str, Any]] = Field(default={})

    @pydantic.field_validator("algorithms")
    @classmethod
    def _at_least_one(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and not value:
            raise ValueError("expected at least one algorithm, or null for all that fit")
        return value

    @pydantic.field_validator("render_mode", mode="before")
    @classmethod
    def _false_is_none(cls, value: object) -> object:
        return None if value is False else value  # as the published configs write it

    @property
    def task(self) -> Task:
        """The environment's card."""
        return task_for(self.gym_env_name)

    @property
    def name(self) -> str:
        """The environment's name in summaries."""
        return self.env_name or self.task.name

    @property
    def wanted_algorithms(self) -> tuple[str, ...] | None:
        """The algorithms to run: the config's, else those of the published suite; None for all that fit."""
        if self.algorithms is not None or self.protocol == "controlled":
            return self.algorithms
        return PUBLISHED_ALGORITHMS.get(self.gym_env_name)

    def spaces(self) -> Spaces:
        """Make the environment, and return its spaces.

        Raises:
            InputError: It cannot be made like this.
        """
        return read_spaces(self.gym_env_name, self.training_kwargs, flatten=self.task.flatten)

    @property
    def training_kwargs(self) -> dict[str, Any]:
        """Arguments of the training environments; ``render_mode`` only if it is set, since not all of them know it."""
        return {**self.env_kwargs, **({} if self.render_mode is None else {"render_mode": self.render_mode})}

    def episode_limit(self, spaces: Spaces) -> int:
        """Return the steps after which an episode ends, in training as in evaluations.

        Under ``controlled`` that is the cap that policy search has, too; else the environment's own, if there is one.

        Raises:
            InputError: Neither the environment nor its card has a limit.
        """
        limits = [limit for limit in (spaces.episode_limit, self.task.max_traj_length) if limit is not None]
        if not limits:  # those of a plugin may leave it open
            raise InputError(
                f"the task card of {self.task.name} leaves max_traj_length open, and episodes need a limit"
            )
        return min(limits) if self.protocol == "controlled" else limits[0]


def load_sb3_config(
    path: str | Path, overrides: Sequence[str] = (), *, changes: Mapping[str, Any] = MappingProxyType({})
) -> SB3Config:
    """Read and validate a suite's config file.

    Overrides (``key=value``) win over the file, and ``changes`` over both. An override may set one entry of a section:
    ``algorithm_hyperparams.PPO.n_steps=64``.

    Raises:
        InputError: With one line that names the key, what was found and what is expected.
    """
    values = read_yaml(Path(path))
    for text in overrides:
        key, value = parse_override(text)
        values = with_entry(values, key.split("."), value)
    if "task" in values:
        raise InputError(
            f"{path}: suites take no 'task'; they name an environment with a card of r2po or of a plugin in "
            "gym_env_name: a plugin registers a card of yours with register(read_card(path))"
        )
    config = validated(SB3Config, {**values, **changes}, str(path))
    kwargs = {**config.task.env_kwargs, **config.env_kwargs}
    return _checked(config.model_copy(update={"env_kwargs": kwargs}), str(path))


def _checked(config: SB3Config, source: str) -> SB3Config:
    """Refuse values that only together make no sense, and fill in the budget and the published horizon."""
    for name in config.algorithm_hyperparams:
        if name not in ALGORITHMS:
            raise unknown("algorithm in algorithm_hyperparams", name, ALGORITHMS)
    known_trackers(config.track)
    changes: dict[str, Any] = {}
    if config.budget_target is None and config.reference_logdir is None:
        if config.budget_mode == "steps":
            raise InputError(f"{source}: budget_mode 'steps' needs budget_target or reference_logdir")
        changes["budget_target"] = DEFAULT_EPISODES
    in_published_episodes = config.protocol == "published" and config.budget_mode == "episodes"
    if in_published_episodes and config.episode_budget_max_timesteps is None:
        changes["episode_budget_max_timesteps"] = PUBLISHED_HORIZON
    return config.model_copy(update=changes)
