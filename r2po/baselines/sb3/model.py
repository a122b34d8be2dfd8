"""The model of a trial: made from its hyperparameters, played, and kept as it was at its best."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger

from r2po.baselines.sb3.environment import make_environments, player, statistics
from r2po.baselines.sb3.hyperparameters import constructor_arguments
from r2po.baselines.sb3.plan import Plan
from r2po.envs.flattened import flattened
from r2po.errors import InputError
from r2po.rollout import GymnasiumEngine, Rollouts
from r2po.runlog.jsonl import write_json
from r2po.tasks.spaces import REFUSALS

BEST, FINAL = "best_model", "final_model"
_PROGRESS = "_update_current_progress_remaining"


class SB3Model:
    """An untrained model with its environments; ``algorithm`` is Stable-Baselines3's own object.

    Raises:
        InputError: Stable-Baselines3 refuses a hyperparameter.
    """

    def __init__(self, plan: Plan) -> None:
        config = plan.config
        self._plan = plan
        limit = config.episode_limit(plan.spaces)
        self._engine = GymnasiumEngine(
            config.gym_env_name,
            config.env_kwargs,
            plan.spaces,
            max_steps=limit,
            reuse=config.task.reuse,
            wrap=flattened if config.task.flatten else None,
        )
        try:
            self.algorithm = self._build()
        except REFUSALS as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            source = plan.hyperparameters.label
            raise InputError(f"{plan.algorithm.name} refuses its hyperparameters ({source}): {reason}") from None
        self._normalizer = self.algorithm.get_vec_normalize_env()
        self._best: tuple[dict[str, Any], Any] | None = None

    def _build(self) -> BaseAlgorithm:
        plan, parameters = self._plan, self._plan.hyperparameters
        config = plan.config
        arguments = constructor_arguments(
            parameters, plan.spaces.action_size, with_schedules=config.protocol == "controlled"
        )
        together = make_environments(config, plan.spaces, parameters.num_envs, parameters.normalization)
        # Any: each algorithm has arguments of its own.
        implementation: Any = plan.algorithm.implementation
        made = implementation("MlpPolicy", together, seed=plan.training_seed, device="cpu", verbose=0, **arguments)
        assert isinstance(made, BaseAlgorithm)
        # The default one leaves a folder in the directory of temporary files.
        made.set_logger(Logger(folder=None, output_formats=[]))
        return made

    def follow(self, remaining: Any) -> None:
        """Let schedules and exploration follow ``remaining()``, a share from 1 to 0, and not the training steps."""

        def update(_steps: int, _most_steps: int) -> None:
            self.algorithm._current_progress_remaining = remaining()

        vars(self.algorithm)[_PROGRESS] = update

    def roll_out(self, seeds: Sequence[int]) -> Rollouts:
        """Play an episode per seed, in environments apart from those of the training."""
        deterministic = self._plan.config.eval_deterministic
        policy = player(self.algorithm, self._plan.spaces, self._normalizer, deterministic=deterministic)
        return self._engine.evaluate(policy, seeds)

    def keep_as_best(self) -> None:
        """Remember the model as it is."""
        seen = self._normalizer.obs_rms if self._normalizer is not None and self._normalizer.norm_obs else None
        self._best = copy.deepcopy((self.algorithm.policy.state_dict(), seen))

    def save_final_and_best(self, folder: Path) -> None:
        """Write both models and the statistics that normalise their observations; from now on this is the best one."""
        assert self._best is not None
        weights, seen = self._best
        self._save(folder / f"{FINAL}.zip")
        self.algorithm.policy.load_state_dict(weights)
        self._save(folder / f"{BEST}.zip")
        if self._normalizer is not None:
            final = statistics(self._normalizer)
            if self._normalizer.norm_obs:
                self._normalizer.obs_rms = seen
            write_json(folder / "normalization.json", {FINAL: final, BEST: statistics(self._normalizer)})

    def close(self) -> None:
        """Close all environments."""
        self._engine.close()
        environments = self.algorithm.get_env()
        if environments is not None:
            environments.close()

    def _save(self, path: Path) -> None:
        self.algorithm.save(path, exclude=[_PROGRESS])
