"""Writes small two-call logs in the format of the published code, so that what they show is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIZE = 10
"""Parameters of a linear policy on CartPole."""


@dataclass(frozen=True)
class Tried:
    """One iteration: returns before and after, the critic's reply, and by how much each parameter was changed."""

    initial: Sequence[float]
    revised: Sequence[float]
    reply: str = "I kept it."
    edit: Sequence[float] = (1.0,)


def write_revisions(logdir: Path, run: int, iterations: Sequence[Tried], *, with_rollouts: bool = True) -> Path:
    """Write a run of RepTraj or ThreeTraj; the folder's name says which. Returns its folder."""
    folder = logdir / f"run_{run}"
    folder.mkdir(parents=True)
    rows = ["Iteration, CPU Time, API Time, Total Episodes, Total Steps, Total Reward"]
    for number, each in enumerate(iterations):
        initial, revised = float(np.mean(each.initial)), float(np.mean(each.revised))
        rows.append(f"{number + 1}, 0.1, 0.2, {20 + 8 * (number + 1)}, {100 * (number + 1)}, {max(initial, revised)}")
        _write_episode(folder / f"episode_{number}", each, initial, revised, with_rollouts)
        reasoning = _reasoning(each, names_returns=logdir.name.endswith("three_traj"))
        (folder / f"episode_{number}" / "parameters_reasoning.txt").write_text(reasoning)
    (folder / "overall_log.txt").write_text("\n".join(rows) + "\n")
    return folder


def _write_episode(folder: Path, each: Tried, initial: float, revised: float, with_rollouts: bool) -> None:
    folder.mkdir()
    winner = "revision_won" if revised >= initial else "original_won"
    outcome = f"initial_reward={initial:.4f}\nrevised_reward={revised:.4f}\nwinner={winner}\n"
    (folder / "reflection_outcome.txt").write_text(outcome)
    before = np.zeros(SIZE)
    after = before.copy()
    after[: len(each.edit)] += each.edit
    weights = "\n".join(", ".join(map(str, row)) for row in after[:8].reshape(4, 2).tolist())
    (folder / "parameters.txt").write_text(f"Weights:\n{weights}\nBias:\n{after[8]}, {after[9]}\n")
    if with_rollouts:
        (folder / "initial_proposal_rollout.txt").write_text(_rollouts(before, each.initial))
        (folder / "revised_proposal_rollout.txt").write_text(_rollouts(after, each.revised))


def _rollouts(params: np.ndarray[tuple[int], np.dtype[np.float64]], returns: Sequence[float]) -> str:
    line = ", ".join(map(str, params.tolist()))
    each = "{line}\nparameter ends\n\nstate | action | reward\n[0.1] | 1 | 1.0\nTotal reward: {value}\n"
    return "".join(each.format(line=line, value=value) for value in returns)


def _reasoning(each: Tried, *, names_returns: bool) -> str:
    ordered = sorted(each.initial)
    named = {"Worst": ordered[0], "Median": ordered[len(ordered) // 2], "Best": ordered[-1]}
    shown = "\n".join(f"{name} rollout (rollout 0, reward={value:.4f}):\n0.1 | 1" for name, value in named.items())
    shown = shown if names_returns else ""
    return (
        "Winner: one\n\n--- Search-LLM (Proposal) ---\nsystem:\nsearch\n\nLLM:\nparams[0]: 0.0\nworst\n\n"
        f"--- Critic-LLM (Reflection) ---\nCritic-LLM (Reflection) prompt:\nlook\n{shown}\n\n"
        f"Critic-LLM response:\n{each.reply}\n"
    )
