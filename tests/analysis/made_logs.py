"""Writes run directories by hand, so that what is expected of them is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

K = 4
"""Returns per candidate."""


def write_run(
    logdir: Path,
    number: int,
    rewards: Sequence[float],
    *,
    complete: bool = True,
    heldout: float | None = 7.5,
    warmup: int = 10,
    description: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
) -> Path:
    """Write a run of one-call iterations whose accepted candidates have the given rewards; returns its folder.

    Iteration i, from 1, ends at ``warmup + K * i`` episodes and ``100 * i`` steps, and waits ``i`` s for the model.
    """
    run = logdir / f"run_{number}"
    run.mkdir(parents=True)
    write_description(run, number, len(rewards), description or {}, config or {})
    records = [iteration(i, reward, warmup) for i, reward in enumerate(rewards, 1)]
    write_lines(run, records)
    if complete:
        result = {
            "schema": 1,
            "iterations": len(rewards),
            "heldout_reward": heldout,
            "heldout_std": None if heldout is None else 1.5,
            "heldout_episodes": 0 if heldout is None else 30,
        }
        (run / "result.json").write_text(json.dumps(result))
    return run


def write_description(
    run: Path, seed: int, iterations: int, changes: dict[str, Any], config_changes: dict[str, Any]
) -> None:
    """Write ``run.yaml``."""
    config = {
        "gym_env_name": "CartPole-v1",
        "method": "props",
        "llm_model_name": "ollama/some-model",
        "logdir": str(run.parent),
        "protocol": "published",
        "seed": None,
        "num_iterations": iterations,
        "num_evaluation_episodes": K,
        "optimum": 500.0,
    }
    description = {
        "schema": 1,
        "seed": seed,
        "protocol": "published",
        "model": "ollama/some-model",
        "stand_in": False,
        "prompts": {"description": "published", "templates": "aaaa", "task": "bbbb"},
        "config": {**config, **config_changes},
    }
    (run / "run.yaml").write_text(yaml.safe_dump({**description, **changes}, sort_keys=False))


def iteration(number: int, reward: float, warmup: int = 10) -> dict[str, Any]:
    """Return a line of ``iterations.jsonl``: a candidate that was accepted, and one that was not."""
    return {
        "iteration": number,
        "reward": reward,
        "accepted": 1,
        "candidates": [
            {"stage": "proposal", "returns": [-1000.0] * K},
            {"stage": "revision", "returns": [reward - 2, reward - 1, reward + 1, reward + 2]},
        ],
        "episodes": warmup + K * number,
        "steps": 100 * number,
        "llm_calls": 2 * number,
        "times": {"ended": "2025-01-01T00:00:00+00:00", "elapsed_s": 2.0 * number, "llm_s": float(number)},
    }


def write_lines(run: Path, records: Sequence[dict[str, Any]], torn: str = "") -> None:
    """Write ``iterations.jsonl``; ``torn`` is what a kill left of another line."""
    (run / "iterations.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records) + torn)
