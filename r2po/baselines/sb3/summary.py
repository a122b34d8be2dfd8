"""The results of trials: ``result.json``, and ``summary.json`` with the keys of the published code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r2po.baselines.sb3.budget import Spent
from r2po.baselines.sb3.plan import METHOD, Plan
from r2po.runlog.facts import NO_MODEL
from r2po.runlog.records import heldout_figures

KEYS = (
    "environment",
    "algorithm",
    "protocol",
    "seed",
    "hyperparameter_source",
    "budget_mode",
    "budget_target",
    "best_reward",
    "final_reward",
    "mean_reward",
    "std_reward",
    "min_reward",
    "heldout_reward",
    "heldout_std",
    "heldout_episodes",
    "mean_train_reward",
    "std_train_reward",
    "final_train_reward",
    "episodes",
    "steps",
    "training_episodes",
    "evaluation_episodes",
    "train_time_s",
)
"""Keys that ``summary.json`` takes from ``result.json``; None where an older one lacks them."""


def trial_result(
    plan: Plan, spent: Spent, rewards: Sequence[float], heldout: NDArray[np.float64], train_time_s: float
) -> dict[str, Any]:
    """Summarize a trial by the mean returns of its iterations, and the best model's on fresh episodes, if any.

    ``train_time_s`` includes evaluations.
    """
    episodes, steps = plan.budget.counted(spent)
    return {
        "environment": plan.config.task.name,
        "method": METHOD,
        "algorithm": plan.algorithm.name,
        "model": NO_MODEL,
        "stand_in": False,
        "protocol": plan.config.protocol,
        "seed": plan.seed,
        "hyperparameter_source": plan.hyperparameters.label,
        "iterations": len(rewards),
        "best_reward": max(rewards),
        "best_iteration": int(np.argmax(rewards)) + 1,
        **heldout_figures(heldout),
        "mean_reward": fmean(rewards),
        "std_reward": _std(rewards),
        "final_reward": rewards[-1],
        "min_reward": min(rewards),
        "budget_mode": plan.config.budget_mode,
        "budget_target": plan.budget.target,
        "episodes": episodes,
        "steps": steps,
        **vars(spent),
        "train_time_s": round(train_time_s, 3),
    }


def training_figures(returns: Sequence[float]) -> dict[str, float | None]:
    """Return what ``result.json`` says of the returns of the training episodes; None each if none came to its end."""
    return {
        "mean_train_reward": fmean(returns) if returns else None,
        "std_train_reward": _std(returns) if returns else None,
        "final_train_reward": returns[-1] if returns else None,
    }


def trial_summary(run: str, result: Mapping[str, Any], description: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's ``summary.json`` under the published code's names, from its ``result.json`` and ``run.yaml``."""
    hyperparameters = description["config"]["hyperparameters"]
    return {
        "run": run,
        "label": f"SB3-{result['algorithm']}",
        "n_envs": hyperparameters.get("n_envs", 1),
        "hyperparams": hyperparameters,
        **{key: result.get(key) for key in KEYS},
        "max_reward": result["best_reward"],
        "num_iterations": result["iterations"],
        "best_episode": f"episode_{result['best_iteration'] - 1}",
    }


def algorithm_summary(env_name: str, trials: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return an algorithm's ``summary.json`` over the summaries of its trials, at least one.

    Standard deviations are sample ones (ddof 1), and 0 for a single trial.
    """

    def values(key: str) -> list[float]:
        return [float(trial[key]) for trial in trials if trial[key] is not None]

    heldout, training = values("heldout_reward"), values("mean_train_reward")
    first = trials[0]
    return {
        "label": first["label"],
        "env_name": env_name,
        "n_envs": first["n_envs"],
        "hyperparams": first["hyperparams"],
        "protocol": first["protocol"],
        "num_runs": len(trials),
        "budget_mode": first["budget_mode"],
        "budgets": [trial["budget_target"] for trial in trials],
        "hyperparameter_sources": sorted({str(trial["hyperparameter_source"]) for trial in trials}),
        "mean_best_reward": fmean(values("best_reward")),
        "std_best_reward": _std(values("best_reward")),
        "mean_final_reward": fmean(values("final_reward")),
        "std_final_reward": _std(values("final_reward")),
        "mean_reward_mean": fmean(values("mean_reward")),
        "mean_reward_std": _std(values("mean_reward")),
        "mean_heldout_reward": fmean(heldout) if heldout else None,
        "std_heldout_reward": _std(heldout) if heldout else None,
        "mean_train_reward": fmean(training) if training else None,
        "std_train_reward": _std(training) if training else None,
        "mean_train_time_s": fmean(values("train_time_s")),
        "std_train_time_s": _std(values("train_time_s")),
        "per_run_summaries": list(trials),
    }


def _std(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0
