"""One trial: train within the budget, evaluate on the way, keep the best model, measure it on fresh episodes."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from r2po.baselines.sb3.budget import Spent
from r2po.baselines.sb3.model import SB3Model
from r2po.baselines.sb3.plan import Plan
from r2po.baselines.sb3.screen import SuiteScreen
from r2po.baselines.sb3.summary import training_figures, trial_result
from r2po.errors import R2POError
from r2po.runlog.jsonl import Appender

NEVER = 10**9
"""Episodes or updates between Stable-Baselines3's own messages."""


def run_trial(plan: Plan, screen: SuiteScreen) -> dict[str, Any]:
    """Train to the end of the budget, logging into the plan's directory; returns the content of ``result.json``."""
    with closing(Appender(plan.directory.iterations)) as log, closing(SB3Model(plan)) as model:
        return Training(plan, model, log, screen).run()


@dataclass
class Training:
    """The training of a trial, under way.

    ``rewards`` are the mean returns of its iterations so far, ``training_returns`` those of the training episodes that
    came to their end.
    """

    plan: Plan
    model: SB3Model
    log: Appender
    screen: SuiteScreen
    spent: Spent = field(default_factory=Spent)
    rewards: list[float] = field(default_factory=list)
    training_returns: list[float] = field(default_factory=list)
    _logged_returns: int = 0
    _elapsed_s: float = 0.0
    _last: float = field(default_factory=time.monotonic)

    def run(self) -> dict[str, Any]:
        """Train, then keep the models and measure the best one outside the budget."""
        plan = self.plan
        if plan.config.protocol == "controlled":
            # An episode budget in steps assumes the longest episodes; few are as long, so schedules would hardly move.
            self.model.follow(lambda: plan.budget.remaining(self.spent))
        watch = _Watch(self)
        self._learn(watch)
        self._measure_the_end(watch)
        self.model.save_final_and_best(plan.directory.path)
        seeds = plan.evaluation_seeds("heldout", 0, plan.config.heldout_episodes)
        heldout = self.model.roll_out(seeds).returns if seeds else np.array([])
        result = trial_result(plan, self.spent, self.rewards, heldout, self._elapsed_s)
        return {**result, **training_figures(self.training_returns)}

    def _measure_the_end(self, watch: _Watch) -> None:
        """Evaluate what was learnt since the last evaluation, as far as the budget allows."""
        is_measured = self.rewards and not (self.plan.config.use_periodic_eval and watch.steps_since_evaluation)
        if not is_measured and self._affordable():
            self.spent.training_episodes += watch.is_within_episode  # training ended during this one
            self.evaluate()

    def _affordable(self) -> int:
        """Return how many episodes the next evaluation may have; the first has at least one, so that there is one."""
        episodes = self.plan.budget.affordable(self.spent, self.plan.config.eval_episodes)
        return episodes if self.rewards else max(episodes, 1)

    def _learn(self, watch: BaseCallback) -> None:
        try:
            self.model.algorithm.learn(self.plan.most_steps, callback=watch, log_interval=NEVER)
        except ValueError as error:  # from PyTorch's distributions, when the weights have become nan
            name = f"{self.plan.algorithm.name} {self.plan.directory.path.name}"
            raise R2POError(f"{name}: training failed: {' '.join(str(error).split())[:200]}") from error

    def evaluate(self) -> None:
        """Measure the model as it is, and log that as an iteration, if the budget has an episode left for it."""
        started = time.monotonic()
        seeds = self.plan.evaluation_seeds("evaluation", len(self.rewards) + 1, self._affordable())
        if not seeds:
            return
        rollouts = self.model.roll_out(seeds)
        self.spent.evaluation_episodes += len(rollouts)
        self.spent.evaluation_steps += int(rollouts.lengths.sum())
        rollout_s = time.monotonic() - started
        self.log_iteration("evaluation", rollouts.returns, rollouts.lengths, rollout_s)

    def log_iteration(self, stage: str, returns: NDArray[Any], lengths: NDArray[Any], rollout_s: float = 0.0) -> None:
        """Log an evaluation, or a training episode where there are no evaluations."""
        reward = float(returns.mean())
        if not self.rewards or reward > max(self.rewards):
            self.model.keep_as_best()
        self.rewards.append(reward)
        episodes, steps = self.plan.budget.counted(self.spent)
        record = {
            "iteration": len(self.rewards),
            "reward": reward,
            "best_reward": max(self.rewards),
            "accepted": 0,
            "candidates": [{"stage": stage, "reward": reward, "returns": returns, "lengths": lengths}],
            "episodes": episodes,
            "steps": steps,
            **vars(self.spent),
            "training_returns": self.training_returns[self._logged_returns :],
            "llm_calls": 0,
            "times": self._times(rollout_s),
        }
        self._logged_returns = len(self.training_returns)
        self.log.append(record)
        self.screen.evaluated(self.plan, record)

    def _times(self, rollout_s: float) -> dict[str, Any]:
        now = time.monotonic()
        elapsed_s, self._last = now - self._last, now
        self._elapsed_s += elapsed_s
        return {
            "ended": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "elapsed_s": round(elapsed_s, 6),
            "llm_s": 0.0,
            "rollout_s": round(rollout_s, 6),
        }


class _Watch(BaseCallback):
    """Counts episodes and steps, evaluates when it is time, and ends training when the budget is spent."""

    def __init__(self, training: Training) -> None:
        super().__init__()
        self._training = training
        self._episodes_since_evaluation = 0
        self.steps_since_evaluation = 0
        self.is_within_episode = False

    def _on_step(self) -> bool:
        spent = self._training.spent
        self.steps_since_evaluation += self.num_timesteps - spent.training_steps
        spent.training_steps = self.num_timesteps
        ended = [info["episode"] for info in self.locals["infos"] if "episode" in info]
        self.is_within_episode = len(ended) < len(self.locals["infos"])
        for episode in ended:
            self._count(episode)
        config = self._training.plan.config
        if config.use_periodic_eval and self._episodes_since_evaluation >= config.eval_every_episodes:
            self._training.evaluate()
            self._episodes_since_evaluation = self.steps_since_evaluation = 0
        return not self._training.plan.budget.is_spent(spent)

    def _count(self, episode: dict[str, Any]) -> None:
        self._training.spent.training_episodes += 1
        self._training.training_returns.append(float(episode["r"]))
        self._episodes_since_evaluation += 1
        if not self._training.plan.config.use_periodic_eval:
            self._training.log_iteration("training", np.array([float(episode["r"])]), np.array([int(episode["l"])]))
