"""The best policy of a run: which one it is, and the file that says where it comes from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from r2po.experiment.setting import Setting
from r2po.policies import Program
from r2po.prompts.numbers import number
from r2po.rounding import exceeds
from r2po.runlog import RunDirectory
from r2po.runlog.jsonl import write_atomically
from r2po.runlog.records import IterationRecord

BEST_POLICY = "best_policy.py"


def better(setting: Setting, best: dict[str, Any] | None, record: IterationRecord) -> dict[str, Any] | None:
    """Return the best policy after an iteration: of equals, the first, with the largest of equal rewards.

    Args:
        setting: Setting of the run.
        best: The best one before, as this function returned it; None if none worked.
        record: The iteration.

    Returns:
        Reward, iteration and record of the policy, and its success if the task tells.
    """
    reward = record["reward"]
    if record["accepted"] is None or reward is None:
        return best
    mine: dict[str, Any] = {"reward": reward, "iteration": record["iteration"]}
    if "success" in record:
        mine["success"] = record["success"]
    mine["solution"] = setting.policy.record(setting.policy.load(record["candidates"][record["accepted"]]))
    by_success = setting.method.keeps_by == "score"
    if best is None or beats(mine, best, by_success=by_success):
        return mine
    if by_success and mine.get("success") != best.get("success"):
        return best
    return {**best, "reward": max(best["reward"], reward)}


def beats(one: Mapping[str, Any], other: Mapping[str, Any], *, by_success: bool) -> bool:
    """Whether one policy is better than another, given their rewards and, if the task tells it, their success.

    Args:
        one: ``reward``, and perhaps ``success``.
        other: Likewise.
        by_success: Whether success comes before reward.
    """
    success, before = one.get("success", -math.inf), other.get("success", -math.inf)
    if by_success and success != before:
        return bool(success > before)
    return bool(exceeds(one["reward"], other["reward"]))


def write_best_policy(directory: RunDirectory, setting: Setting, best: Mapping[str, Any] | None) -> None:
    """Write the best policy of a run into its directory, if it is code.

    Args:
        directory: The run.
        setting: Its setting.
        best: Reward, iteration and record of the policy, and its success if the task tells; None if none worked.
    """
    if best is not None and setting.policy.walled:
        write_atomically(directory.path / BEST_POLICY, as_file(directory, setting, best))


def as_file(directory: RunDirectory, setting: Setting, best: Mapping[str, Any]) -> bytes:
    """Return the content of a file for a policy: a program with a heading, or JSON with the parameters."""
    solution = setting.policy.load(best["solution"])
    task = setting.brief.task
    if isinstance(solution, Program):
        text = f"{_heading(directory, setting, best)}\n\n{solution.source}\n"
        return text.encode("utf-8", "backslashreplace")
    about = {
        "run": f"{directory.path.parent.name}/{directory.path.name}",
        "environment": task.gym_id,
        "policy": setting.policy.name,
        "iteration": best["iteration"],
        "reward": best["reward"],
        **best["solution"],
    }
    return (json.dumps(about, indent=2) + "\n").encode()


def _heading(directory: RunDirectory, setting: Setting, best: Mapping[str, Any]) -> str:
    run = f"{directory.path.parent.name}/{directory.path.name}"
    success = f", success {number(best['success'])}" if "success" in best else ""
    lines = [
        f"Best policy of {run} on {setting.brief.task.gym_id}: iteration {best['iteration']}, mean return "
        f"{number(best['reward'])}{success}.",
        f"It was written by a model ({setting.config.llm_model_name}). Read it before you run it anywhere else:",
        "r2po watch and r2po.load_policy run it behind a wall. Each episode has a Policy() of its own, whose",
        f"act(observation) returns the action.{_bounds(setting)}",
        *_privilege(setting),
    ]
    return "\n".join(f"# {' '.join(line.split())}" for line in lines)


def _bounds(setting: Setting) -> str:
    spaces = setting.brief.spaces
    if spaces.discrete_action or not setting.config.clip_actions:
        return ""
    return f" The run moved it into the bounds {list(spaces.action_low)} to {list(spaces.action_high)}."


def _privilege(setting: Setting) -> list[str]:
    """Return lines on what the policy needs beside the environment's observation."""
    if setting.hidden is None:
        return []
    task, size = setting.brief.task, setting.brief.spaces.observation_size
    told = (f"obs[{size - len(task.state) + i}]: {task.hidden[name]}" for i, name in enumerate(task.state))
    return ["It needs hidden state, read from the simulator:", "; ".join(told) + "."]
