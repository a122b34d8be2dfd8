"""Small suites for the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from r2po.baselines.sb3.config import SB3Config, load_sb3_config
from tests.builders import CONFIGS

SUITES = CONFIGS / "sb3_baselines"
SMALL = (
    "budget_mode=steps",
    "budget_target=200",
    "eval_episodes=1",
    "eval_every_episodes=5",
    "heldout_episodes=2",
    "num_trials=1",
    "zoo_hyperparams_dir=null",
)
"""A few hundred steps, one evaluation episode, Stable-Baselines3's own hyperparameters."""


def make_suite(environment: str, logdir: Path, *overrides: str) -> SB3Config:
    """Return a small suite on an environment, given by the name of its task."""
    return load_sb3_config(SUITES / f"{environment}_sb3.yaml", [*SMALL, f"logdir={logdir}", *overrides])


def write_zoo(folder: Path, **files: str) -> Path:
    """Write files of a zoo, by the name of the algorithm; returns the folder."""
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder


def figures(run: Path) -> list[dict[str, Any]]:
    """Return the logged iterations of a run without their times."""
    lines = (run / "iterations.jsonl").read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in ("times", "sum")} for line in lines]


def result(run: Path) -> dict[str, Any]:
    """Return the result of a run without its times, and checksums, which cover them."""
    content: dict[str, Any] = json.loads((run / "result.json").read_text(encoding="utf-8"))
    return {key: value for key, value in content.items() if key not in ("train_time_s", "sums", "sum")}
