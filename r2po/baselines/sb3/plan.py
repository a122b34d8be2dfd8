"""A trial as it is planned, before anything is run or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from r2po.baselines.sb3.algorithms import PACKAGES, Algorithm
from r2po.baselines.sb3.budget import TrialBudget
from r2po.baselines.sb3.config import SB3Config
from r2po.baselines.sb3.hyperparameters import Hyperparameters
from r2po.runlog import RunDirectory
from r2po.runlog.facts import NO_MODEL, MethodFacts, style
from r2po.runlog.origin import code_revision, versions
from r2po.seeding import derive_seed
from r2po.tasks.spaces import Spaces

METHOD = "sb3"
FACTS: MethodFacts = {
    "name": METHOD,
    "label": "SB3",
    "style": style("#debc2f", (6, 1.5, 1, 1.5), "*"),
    "calls_per_iteration": 0,
    "evaluations_per_iteration": 1,
    "roles": (),
    "pair": None,
    "revision_rule": False,
    "searches": "",
    "chooses_by_mean": False,
}
"""What logs record of the method; its algorithm stands in the config."""
RECORDED = (
    "gym_env_name",
    "env_kwargs",
    "render_mode",
    "protocol",
    "budget_mode",
    "use_periodic_eval",
    "eval_every_episodes",
    "eval_episodes",
    "eval_deterministic",
    "heldout_episodes",
    "episode_budget_max_timesteps",
)
"""Keys of the suite's config that a trial's config takes over."""
NEUTRAL = frozenset({"render_mode"})
"""Keys of a trial's config that do not change what it computes."""


@dataclass(frozen=True)
class Plan:
    """One trial of one algorithm; ``directory`` is ``<logdir>/<algorithm in small letters>/run_N``."""

    config: SB3Config
    spaces: Spaces
    algorithm: Algorithm
    hyperparameters: Hyperparameters
    budget: TrialBudget
    directory: RunDirectory

    @property
    def seed(self) -> int:
        """Seed of the trial: its number, or counted on from the config's seed."""
        number = self.directory.number
        return number if self.config.seed is None else self.config.seed + number - 1

    @property
    def training_seed(self) -> int:
        """Seed for Stable-Baselines3, which takes 32 bits."""
        return derive_seed(self.seed, METHOD, self.algorithm.name, "training") % 2**32

    def evaluation_seeds(self, kind: str, number: int, count: int) -> list[int]:
        """Seeds of the episodes of one evaluation."""
        return [derive_seed(self.seed, METHOD, kind, number, "rollout", index) for index in range(count)]

    @property
    def most_steps(self) -> int:
        """Training steps after which training ends in any case, and over which schedules and exploration fall.

        Where the config does not say: the most that the budget allows, if every episode is as long as it can be.
        """
        config, limit = self.config, self.config.episode_limit(self.spaces)
        if self.budget.in_steps:
            return self.budget.target
        if config.episode_budget_max_timesteps is not None:
            return config.episode_budget_max_timesteps
        # Environments that are stepped together have unfinished episodes besides.
        return (self.budget.target + self.hyperparameters.num_envs) * limit

    def description(self) -> dict[str, Any]:
        """Return the content of ``run.yaml``."""
        return {
            "seed": self.seed,
            "protocol": self.config.protocol,
            "model": NO_MODEL,
            "stand_in": False,
            "method": FACTS,
            "task": self.config.task.facts(),
            "created": datetime.now(timezone.utc).isoformat(timespec="microseconds"),
            "versions": versions(PACKAGES.values()),
            "code_revision": code_revision(),
            "hyperparameter_source": dict(self.hyperparameters.source),
            "config": self.record(),
        }

    def record(self) -> dict[str, Any]:
        """Return the trial's config with every default filled in."""
        config = self.config
        return {
            "method": METHOD,
            "algorithm": self.algorithm.name,
            **{key: getattr(config, key) for key in RECORDED},
            "budget_target": self.budget.target,
            "max_traj_length": config.episode_limit(self.spaces),
            "hyperparameters": dict(self.hyperparameters.raw),
            "optimum": config.task.optimum,
            "num_iterations": None,
        }

    def differences(self, description: Mapping[str, Any]) -> list[str]:
        """Name each key in which an earlier trial differs from this plan."""
        mine = {**self.record(), "seed": self.seed}
        other = {**description.get("config", {}), "seed": description.get("seed")}
        return [
            f"{key} was {other.get(key)!r}, is {mine.get(key)!r}"
            for key in {**mine, **other}
            if key not in NEUTRAL and mine.get(key) != other.get(key)
        ]
