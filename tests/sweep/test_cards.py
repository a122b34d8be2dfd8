"""Sweeps over task cards of one's own, and over environments without any, as real processes."""

from __future__ import annotations

from pathlib import Path

import yaml

from r2po.runlog import RunDirectory
from r2po.tasks import TASKS
from tests.process.processes import write_config
from tests.sweep.sweeping import run_sweep

SMALL = {"num_iterations": 2, "num_evaluation_episodes": 2, "warmup_episodes": 2, "heldout_episodes": 2}


def test_workers_get_the_card_with_the_config(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "configs").mkdir()
    card = TASKS["pendulum"].record() | {"name": "rod", "label": "Rod", "max_traj_length": 20}
    (tmp_path / "tasks" / "rod.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    model = {"llm_model_name": "embedded/search", "reevaluation_episodes": 0, **SMALL}
    write_config(
        tmp_path / "configs", {"task": "../tasks/rod.yaml", "method": "r2po", "logdir": "logs/rod", **model}, "rod.yaml"
    )
    bare = {"gym_env_name": "CliffWalking-v1", "max_traj_length": 20, "optimum": -13}
    write_config(tmp_path / "configs", {**bare, "method": "props", "logdir": "logs/bare", **model}, "bare.yaml")
    configs = ["configs/rod.yaml", "configs/bare.yaml"]
    swept = run_sweep(tmp_path, *configs, "--runs", "2", "--jobs", "2")
    assert swept.returncode == 0, swept.stderr
    found = {name: RunDirectory(tmp_path / f"logs/{name}/run_2") for name in ("rod", "bare")}
    assert all(run.is_complete for run in found.values())
    assert found["rod"].read_description()["task"]["name"] == "rod"
    assert found["bare"].read_description()["config"]["task"]["summary"] == ""
    # With another card, these are not the runs of the same command.
    (tmp_path / "tasks" / "rod.yaml").write_text(yaml.safe_dump(card | {"optimum": -1.0}), encoding="utf-8")
    other = run_sweep(tmp_path, *configs, "--runs", "2", "--jobs", "2")
    assert (other.returncode, "task.optimum was -150.0, is -1.0" in other.stderr) == (2, True)
