"""The numbers of ``summary.json``: those of the published evaluation under its names; held-out and what was spent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from r2po.analysis.load import LogDirectory
from r2po.analysis.run_data import RunData

METRICS = ("mean_reward", "max_reward", "best_reward", "final_reward")
"""Per-run figures that are averaged over runs, besides the held-out reward."""


def summarise_run(run: RunData) -> dict[str, Any]:
    """Return the figures of one run.

    ``std_reward`` is the population standard deviation over iterations (ddof 0), as in the published evaluation.
    """
    rewards, heldout = run.rewards, run.heldout
    best = float(rewards.max())
    return {
        "run": run.name,
        "complete": run.complete,
        "num_iterations": run.num_iterations,
        "planned_iterations": run.planned_iterations,
        "best_reward": best,
        "best_episode": f"episode_{run.best_iteration - 1}",
        "final_reward": float(rewards[-1]),
        "mean_reward": float(rewards.mean()),
        "std_reward": float(rewards.std()),
        "max_reward": best,
        "min_reward": float(rewards.min()),
        "heldout_reward": heldout.reward if heldout else None,
        "heldout_std": heldout.std if heldout else None,
        "heldout_episodes": heldout.episodes if heldout else None,
        "environment": run.environment,
        "method": run.method,
        "model": run.model,
        "stand_in": run.stand_in,
        "protocol": run.protocol,
        "seed": run.seed,
        "llm_calls": int(run.llm_calls[-1]),
        "episodes": int(run.episodes[-1]),
        "steps": int(run.steps[-1]),
        "llm_s": float(run.llm_s.sum()),
    }


def summarise_runs(logs: LogDirectory, label: str) -> dict[str, Any]:
    """Return the figures of all runs of a log directory, with mean and sample standard deviation over the runs.

    Args:
        logs: The runs.
        label: Name of the experiment in tables and figures.
    """
    per_run = [summarise_run(run) for run in logs.runs]
    return {
        "label": label,
        "num_runs": len(per_run),
        "unfinished_runs": [run.name for run in logs.runs if not run.complete],
        "stand_in": any(run.stand_in for run in logs.runs),
        **{key: value for metric in METRICS for key, value in _over_runs(per_run, metric).items()},
        **_over_runs(per_run, "heldout_reward"),
        "heldout_num_runs": sum(row["heldout_reward"] is not None for row in per_run),
        "differences": differences(logs.runs),
        "problems": list(logs.problems),
        "per_run_summaries": per_run,
    }


def differences(runs: Sequence[RunData]) -> list[str]:
    """Name each setting in which runs differ that should be runs of one experiment, one line each."""
    lines = []
    for key in {key: None for run in runs for key in run.settings}:
        by_value: dict[str, list[str]] = {}
        for run in runs:
            value = str(run.settings[key]) if key in run.settings else "not set"
            by_value.setdefault(value, []).append(run.name)
        if len(by_value) > 1:
            lines.append(f"{key}: " + "; ".join(f"{value} in {', '.join(names)}" for value, names in by_value.items()))
    return lines


def to_json(summary: dict[str, Any]) -> bytes:
    """Return the content of ``summary.json``."""
    return (json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _over_runs(per_run: Sequence[dict[str, Any]], metric: str) -> dict[str, float | None]:
    values = [row[metric] for row in per_run if row[metric] is not None]
    return {
        f"{metric}_mean": float(np.mean(values)) if values else None,
        f"{metric}_std": sample_std(values) if values else None,
    }


def sample_std(values: Sequence[float]) -> float:
    """Return the sample standard deviation (ddof 1); 0 for a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
