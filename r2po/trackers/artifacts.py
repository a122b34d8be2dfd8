"""The files that are sent with a complete run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEST_PROGRAM = "best_policy.py"
"""What a run writes if its policies are code."""
FIGURES = (".gif", ".pdf", ".png", ".svg", ".webp")
REPORT = "report.html"
MODEL = "best_model.zip"
"""The trained network of a baseline."""


def texts_of(path: Path, description: Mapping[str, Any], result: Mapping[str, Any], config: str) -> dict[str, str]:
    """Return config, result and best policy of a complete run, by the names of their files."""
    texts = {"config.yaml": config, "result.json": (path / "result.json").read_text("utf-8")}
    if (path / BEST_PROGRAM).is_file():
        texts[BEST_PROGRAM] = (path / BEST_PROGRAM).read_text("utf-8")
    elif result.get("best_params") is not None:
        texts["best_policy.json"] = json.dumps(_policy(path, description, result), indent=2) + "\n"
    return texts


def _policy(path: Path, description: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``r2po export`` writes of a policy that is numbers."""
    config = description["config"]
    return {
        "run": f"{path.parent.name}/{path.name}",
        "environment": config["gym_env_name"],
        "policy": config["policy"],
        "iteration": result["best_iteration"],
        "reward": result["best_reward"],
        "params": result["best_params"],
    }


def files_of(path: Path) -> Sequence[Path]:
    """Return the figures, the report and the trained network that lie in a run directory; links are left out."""
    found = [each for each in path.iterdir() if each.is_file() and not each.is_symlink()]
    return sorted(each for each in found if each.suffix in FIGURES or each.name in (REPORT, MODEL))
