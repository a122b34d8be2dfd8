"""A run directory takes what comes from outside the package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from r2po.methods import METHODS, style
from r2po.policies import Program
from r2po.runlog import RunDirectory
from r2po.runlog.jsonl import write_json


def test_a_description_may_hold_numbers_of_numpy(tmp_path: Path) -> None:
    dashes: Any = np.array([2.5, 1])
    method = replace(METHODS["props"], style=style("#123456", dashes, "o"))
    run = RunDirectory.create(tmp_path)
    run.write_description({"method": method.facts({}), "optimum": np.float64(0.1)})
    found = yaml.safe_load((run.path / "run.yaml").read_text(encoding="utf-8"))
    assert (found["method"]["style"]["dashes"], found["optimum"]) == ([2.5, 1.0], 0.1)


def test_a_best_policy_with_half_a_surrogate_pair_is_recorded(tmp_path: Path) -> None:
    program = Program("left \ud83d")
    assert len(program.sha256) == 64
    write_json(tmp_path / "result.json", {"best_source": program.source})
    assert (tmp_path / "result.json").read_text(encoding="utf-8").count("\\ud83d") == 1
