"""The names of all scalars, the same in every tracker, and how the log gives their values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from r2po.runlog.facts import NO_MODEL

METRICS: Mapping[str, str] = MappingProxyType(
    {
        "reward/kept": "mean return of the candidate that the iteration kept",
        "reward/best": "largest reward so far",
        "reward/<stage>": "mean return of each candidate, by its stage: `reward/proposal`, `reward/revision`, ...",
        "heldout/mean": "mean return of the best policy on fresh episodes, at the last iteration",
        "heldout/std": "their standard deviation",
        "budget/episodes": "episodes so far, the warm-up included",
        "budget/steps": "environment steps so far",
        "llm/calls": "calls whose replies the iterations so far are made from",
        "llm/refused": "replies so far that could not be used",
        "llm/failed_attempts": "attempts at calls so far that failed",
        "tokens/<role>/<kind>": "tokens so far by role and kind: `tokens/critic/completion`, ...; kinds are `prompt`, "
        "`cached`, `completion`, `reasoning` and `cache_write`",
        "cost/total": "money so far, by the prices in `run.yaml`",
        "time/iteration_s": "seconds that the iteration took",
        "time/llm_s": "seconds of them in calls to the model",
        "time/rollout_s": "seconds of rollouts in it, summed over threads",
        "rollout/ep_rew_mean": "baselines: mean return of the last 100 training episodes",
        "eval/mean_reward": "baselines: mean return of the evaluation",
        "eval/mean_ep_length": "baselines: mean length of its episodes",
        "time/total_timesteps": "baselines: training steps so far",
        "time/episodes": "baselines: training episodes so far",
    }
)
"""What each name means. Names in angle brackets stand for what a run has there."""

TRAINING_WINDOW = 100
"""Over so many training episodes Stable-Baselines3 takes its mean."""
_NOT_IN_NAMES = re.compile(r"[^\w.:/ -]", re.ASCII)


def scalars_of(record: Mapping[str, Any], *, asks_model: bool) -> dict[str, float]:
    """Return the scalars that the line of an iteration holds; what it does not know is left out."""
    times = record["times"]
    named = {
        "reward/kept": record["reward"],
        "reward/best": record.get("best_reward"),
        **{f"reward/{part(each['stage'])}": each.get("reward") for each in record["candidates"]},
        "budget/episodes": record["episodes"],
        "budget/steps": record["steps"],
        "time/iteration_s": times.get("elapsed_s"),
        "time/rollout_s": times.get("rollout_s"),
    }
    if asks_model:
        named |= {"llm/calls": record["llm_calls"], "time/llm_s": times.get("llm_s")}
    return known(named)


def ending_scalars(result: Mapping[str, Any]) -> dict[str, float]:
    """Return the scalars that only the result of a run holds."""
    return known({"heldout/mean": result["heldout_reward"], "heldout/std": result["heldout_std"]})


def training_scalars(record: Mapping[str, Any], returns: Iterable[float]) -> dict[str, float]:
    """Return what Stable-Baselines3 names in its own way, given the returns of the last training episodes."""
    returns, lengths = list(returns), record["candidates"][0].get("lengths") or []
    is_evaluation = record["candidates"][0]["stage"] == "evaluation"
    named = {
        "rollout/ep_rew_mean": math.fsum(returns) / len(returns) if returns else None,
        "time/total_timesteps": record.get("training_steps"),
        "time/episodes": record.get("training_episodes"),
    }
    if is_evaluation:
        named["eval/mean_reward"] = record["reward"]
        named["eval/mean_ep_length"] = sum(lengths) / len(lengths) if lengths else None
    return known(named)


def known(values: Mapping[str, Any]) -> dict[str, float]:
    """Return those of some values that are finite numbers, as they are."""
    return {name: value for name, value in values.items() if _is_number(value) and math.isfinite(value)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def part(text: str) -> str:
    """Return a stage or a role as part of a name that all trackers take."""
    return _NOT_IN_NAMES.sub("_", text).replace("/", "_")


def asks_model(description: Mapping[str, Any]) -> bool:
    """Whether the calls of a run mean anything: whether it asks a model at all."""
    return bool(description["model"] != NO_MODEL)
