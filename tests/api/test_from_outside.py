"""A script of a user's: type-checked and run in a folder that is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = """
from pathlib import Path

import numpy as np
from typing_extensions import assert_type

import r2po


class Counter(r2po.Observer):
    def __init__(self) -> None:
        self.notes = 0

    def note(self, text: str) -> None:
        self.notes += 1


def main() -> None:
    config = {"gym_env_name": "CartPole-v1", "method": "r2po", "llm_model_name": "embedded/search", "logdir": "logs"}
    small = {"num_iterations": 2, "num_evaluation_episodes": 2, "heldout_episodes": 2, "warmup_episodes": 2}
    result = r2po.run(config, observer=Counter(), rollout_engine="reference", seed=3, **small)
    assert_type(result, r2po.Result)
    assert_type(result.best_reward, float | None)
    assert_type(result.heldout_episodes, int)
    assert_type(result.policy, r2po.LoadedPolicy)
    mean: float = result.rewards.mean()
    action = result.policy(np.zeros(4))
    with r2po.load_policy(result.directory) as policy:
        assert policy.act_batch(np.zeros((2, 4))).tolist() == [action, action]
    written = r2po.export(result.directory, "policy.py")
    assert_type(written, Path)
    frames = r2po.load_runs("logs", calls=False)
    try:
        r2po.run(config, resume=9)
    except r2po.InputError as error:
        print(error)
    print(len(frames.runs), result.seed, np.isfinite(mean), written.exists())


main()
"""


def test_a_script_is_type_checked_and_run(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["cannot resume run_9 in logs: found run_1 (complete)", "1 3 True True"]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "script.py"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert checked.stdout == "Success: no issues found in 1 source file\n", checked.stdout + checked.stderr


def test_a_wrong_use_is_an_error_of_the_types(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        'import r2po\n\nr2po.run(3)\nr2po.run("a.yaml", resume="last")\nr2po.load_policy("x").nothing\n'
    )
    environ = {**os.environ, "MYPYPATH": str(ROOT)}
    options = ["--strict", "--follow-imports=silent"]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "wrong.py"], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert [line.split(":")[1] for line in checked.stdout.splitlines()[:-1]] == ["3", "4", "5"], checked.stdout
