"""The numbers of ``summary.json``: those of the published evaluation under its names; held-out and what was spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from r2po.analysis.logs.comparable import differences
from r2po.analysis.logs.load import LogDirectory
from r2po.analysis.logs.raced import remarks_of
from r2po.analysis.logs.revisions import figures, revisions_of
from r2po.analysis.logs.run_data import SUCCESS_METRICS, RunData
from r2po.rounding import mean, sample_std, spread

FRESH = ("reevaluated_mean_reward", "reevaluated_final_reward")
METRICS = ("mean_reward", "max_reward", "best_reward", "final_reward", "heldout_reward", *FRESH)
"""Per-run figures that are averaged over runs."""


def summarise_run(run: RunData) -> dict[str, Any]:
    """Return the figures of one run.

    ``best_episode`` is the folder of the best iteration in the published code's logs, which counts them from 0.
    ``std_reward`` is the sample standard deviation over iterations (ddof 1; 0 for one), as in the published evaluation.
    What the log does not tell is None. Names of the published evaluation are of logged rewards.
    """
    rewards, heldout, fresh = run.rewards, run.heldout, run.reevaluated
    logged = replace(run, fresh=False)
    any_iterations = bool(run.num_iterations)
    best = run.metric("best_reward")
    spent = run.spent if any_iterations else None
    llm_s = spent.llm_s if spent else float(run.llm_s.sum())
    return {
        "run": run.name,
        "complete": run.complete,
        "num_iterations": spent.iterations if spent else 0,
        "planned_iterations": run.planned_iterations,
        "best_reward": best,
        "best_iteration": run.best_iteration if any_iterations else None,
        "best_episode": f"episode_{run.best_iteration - 1}" if any_iterations else None,
        "final_reward": logged.metric("final_reward"),
        "mean_reward": logged.metric("mean_reward"),
        "std_reward": sample_std(rewards) if any_iterations else None,
        "max_reward": best,
        "min_reward": float(rewards.min()) if any_iterations else None,
        "heldout_reward": heldout.reward if heldout else None,
        "heldout_std": spread(heldout.std, heldout.reward) if heldout and heldout.std is not None else None,
        "heldout_episodes": heldout.episodes if heldout else None,
        "reevaluated_mean_reward": None if fresh is None else mean(fresh),
        "reevaluated_final_reward": None if fresh is None else float(fresh[-1]),
        **{name: run.metric(name) for name in SUCCESS_METRICS},
        **figures(revisions_of([run])),
        "environment": run.environment,
        "method": run.method,
        "model": run.model,
        "critic_model": run.critic_model or None,
        "stand_in": run.stand_in,
        "protocol": run.protocol,
        "prompts": run.prompts,
        "seed": run.seed,
        "llm_calls": spent.llm_calls if spent else None if run.llm_calls is None else int(run.llm_calls[-1]),
        "episodes": spent.episodes if spent else None,
        "steps": spent.steps if spent else None,
        "llm_s": llm_s,
        "total_api_time_s": llm_s,
        "mean_api_time_per_iter_s": llm_s / spent.iterations if spent else None,
        "notes": [*run.notes, *filter(None, [run.unread])],
    }


def summarise_runs(logs: LogDirectory, label: str, parts: Sequence[str] = ()) -> dict[str, Any]:
    """Return the figures of all runs of a log directory, with mean and sample standard deviation over the runs.

    If they are of several experiments, ``parts`` names these, and there are no means. Revisions are those of all runs.
    """
    per_run = [summarise_run(run) for run in logs.runs]
    averaged = [] if parts else per_run
    race = "; ".join(remarks_of(logs.path))
    return {
        "label": label,
        "num_runs": len(per_run),
        "num_iterations_per_run": [each["num_iterations"] for each in per_run],
        "unfinished_runs": [run.name for run in logs.runs if not run.complete],
        "stand_in": any(run.stand_in for run in logs.runs),
        "parts": list(parts),
        **{
            key: value for metric in (*METRICS, *SUCCESS_METRICS) for key, value in _over_runs(averaged, metric).items()
        },
        **figures(None if parts else revisions_of(logs.runs)),
        "heldout_num_runs": sum(row["heldout_reward"] is not None for row in per_run),
        "reevaluated_num_runs": sum(row[FRESH[0]] is not None for row in per_run),
        "differences": differences(logs.runs),
        "problems": list(logs.problems),
        **({"race": race} if race else {}),
        "per_run_summaries": per_run,
    }


def _over_runs(per_run: Sequence[dict[str, Any]], metric: str) -> dict[str, float | None]:
    values = [row[metric] for row in per_run if row[metric] is not None]
    return {
        f"{metric}_mean": mean(values) if values else None,
        f"{metric}_std": sample_std(values) if values else None,
    }
