"""What a complete run comes to: the content of ``result.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r2po.llm.client import Client
from r2po.llm.types import Usage
from r2po.setting import Setting


def sum_up(
    setting: Setting,
    client: Client,
    iterations: Sequence[Mapping[str, Any]],
    best: Mapping[str, Any],
    heldout: NDArray[np.float64],
) -> dict[str, Any]:
    """Sum a run up.

    Args:
        setting: What was run.
        client: The client that asked for its replies.
        iterations: Its logged iterations.
        best: Reward, iteration and parameters of its best policy; of equals, the first.
        heldout: Returns of the best policy on fresh episodes; may be empty.
    """
    rewards = [iteration["reward"] for iteration in iterations]
    return {
        "environment": setting.brief.task.name,
        "method": setting.method.name,
        "model": client.model,
        "stand_in": client.provider.is_stand_in,
        "protocol": setting.config.protocol,
        "seed": setting.seed,
        "iterations": len(rewards),
        "best_reward": best["reward"],
        "best_iteration": best["iteration"],
        "best_params": best["params"],
        "heldout_reward": float(heldout.mean()) if len(heldout) else None,
        "heldout_std": float(heldout.std(ddof=1)) if len(heldout) > 1 else None,
        "heldout_episodes": len(heldout),
        "mean_reward": float(np.mean(rewards)),
        "final_reward": rewards[-1],
        "episodes": iterations[-1]["episodes"],
        "steps": iterations[-1]["steps"],
        **_calls(client),
        "times": {
            key: round(sum(iteration["times"][key] for iteration in iterations), 3)
            for key in ("elapsed_s", "llm_s", "rollout_s")
        },
    }


def _calls(client: Client) -> dict[str, Any]:
    replies = client.store.replies
    roles = sorted({reply.role for reply in replies})
    return {
        "llm_calls": len(replies),
        "refused_replies": sum(bool(reply.refusal) for reply in replies),
        "failed_attempts": client.store.failures,
        "tokens": {role: _tokens(reply.reply.usage for reply in replies if reply.role == role) for role in roles},
    }


def _tokens(usages: Iterable[Usage]) -> dict[str, int | None]:
    """Sum token counts; what any reply leaves unsaid is unknown in the sum."""
    rows = [asdict(usage) for usage in usages]
    return {key: None if any(row[key] is None for row in rows) else sum(row[key] for row in rows) for key in rows[0]}
