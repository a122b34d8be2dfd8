"""A script of a user's: type-checked and run in a folder that is no checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WRONG = """
import r2po

r2po.run(3)
r2po.run("a.yaml", resume="last")
r2po.load_policy("x").nothing
"""


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )


def test_a_script_runs(tmp_path: Path) -> None:
    shutil.copy(HERE / "users_script.py", tmp_path)
    done = call(tmp_path, "users_script.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["cannot resume run_9 in logs: found run_1 (complete)", "1 3 True True"]


@pytest.mark.slow
def test_its_types_are_checked_and_a_wrong_use_is_found(tmp_path: Path) -> None:
    shutil.copy(HERE / "users_script.py", tmp_path)
    (tmp_path / "wrong.py").write_text(WRONG)
    done = call(tmp_path, "-m", "mypy", "--strict", "--follow-imports=silent", "users_script.py", "wrong.py")
    assert [line.split(":")[:2] for line in done.stdout.splitlines()[:-1]] == [
        ["wrong.py", "4"],
        ["wrong.py", "5"],
        ["wrong.py", "6"],
    ], done.stdout
