"""Writes small logs of R2PO and its baselines in the format of the published code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

HEADER = "Iteration, CPU Time, API Time, Total Episodes, Total Steps, Total Reward"
R2PO = "reflective_prompted_policy_optimization"


def write_runs(logdir: Path, runs: Sequence[Sequence[float]]) -> Path:
    """Write a run for each sequence of accepted rewards; the folder's name says what it is."""
    for number, rewards in enumerate(runs, 1):
        folder = logdir / f"run_{number}"
        folder.mkdir(parents=True)
        rows = [f"{i}, 0.1, 0.2, {3 * i}, {30 * i}, {reward}" for i, reward in enumerate(rewards, 1)]
        (folder / "overall_log.txt").write_text("\n".join([HEADER, *rows]) + "\n")
    return logdir
