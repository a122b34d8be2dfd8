"""The result of a complete run: the content of ``result.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import numpy as np

from r2po.experiment.setting import Setting
from r2po.isolation.outcomes import Failure
from r2po.llm.client import Client, described
from r2po.rollout import Rollouts
from r2po.rounding import mean
from r2po.runlog.records import IterationRecord, Result, heldout_figures

COUNTS = ("attempts", "failures", "replies", "refused", "cost")
"""What is recorded of the account of a role."""


def sum_up(
    setting: Setting,
    client: Client,
    iterations: Sequence[IterationRecord],
    best: Mapping[str, Any] | None,
    heldout: Rollouts,
    failure: Failure | None = None,
) -> Result:
    """Sum a run up, given its logged iterations and its best policy: of equals, the first.

    ``best`` has that policy's reward, iteration and record, and is None if none worked; ``heldout`` its rollouts on
    fresh episodes, if any; ``failure`` says why it failed in them.
    """
    rewards = [iteration["reward"] for iteration in iterations if iteration["reward"] is not None]
    result = {
        "environment": setting.brief.task.name,
        "method": setting.method.name,
        **described(client.models),
        "differing_prompts": _differing_prompts(client),
        "protocol": setting.config.protocol,
        "seed": setting.seed,
        "iterations": len(iterations),
        **_best(setting, best),
        **heldout_figures(heldout.returns),
        **({} if heldout.successes is None else {"heldout_success": float(np.mean(heldout.successes))}),
        **({} if failure is None else {"heldout_failure": asdict(failure)}),
        "mean_reward": mean(rewards) if rewards else None,
        "final_reward": iterations[-1]["reward"],
        "episodes": iterations[-1]["episodes"],
        "steps": iterations[-1]["steps"],
        **_calls(client),
        "times": {
            key: round(sum(cast("float | None", iteration["times"].get(key)) or 0 for iteration in iterations), 3)
            for key in ("elapsed_s", "llm_s", "rollout_s")
        }
        | {"latency_s": {role: client.accounting.of(role).latency_s for role in client.accounting.roles}},
    }
    return cast("Result", result)


def _best(setting: Setting, best: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what is recorded of the best policy; its success only where that makes a policy the best."""
    if best is None:
        return {"best_reward": None, "best_iteration": None}
    by_success = setting.method.keeps_by == "score" and "success" in best
    return {
        "best_reward": best["reward"],
        "best_iteration": best["iteration"],
        **({"best_success": best["success"]} if by_success else {}),
        **{f"best_{key}": value for key, value in best["solution"].items()},
    }


def _differing_prompts(client: Client) -> int | None:
    """Return how many answered prompts differ from those of the recorded run; None if this is no replay."""
    recording = client.recording
    return None if recording is None else sum(reply.key not in recording.keys for reply in client.store.replies)


def _calls(client: Client) -> dict[str, Any]:
    accounting = client.accounting
    accounts = {role: accounting.of(role) for role in accounting.roles}
    total = accounting.total
    return {
        "llm_calls": total.replies,
        "refused_replies": total.refused,
        "failed_attempts": total.failures,
        "cost": total.cost,
        "tokens": {role: account.tokens for role, account in accounts.items()},
        "accounting": {role: {key: getattr(account, key) for key in COUNTS} for role, account in accounts.items()},
    }
