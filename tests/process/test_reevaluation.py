"""``kill -9`` of ``r2po reevaluate``: it goes on where it was, and comes to the same file."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.process.processes import CARTPOLE, environ, finish, run_main, run_r2po, start, wait_until, write_config

LONGER: Mapping[str, Any] = {
    **CARTPOLE,
    "llm_model_name": "embedded/search",
    "num_iterations": 30,
    "heldout_episodes": 0,
    "reevaluation_episodes": 0,
}
COMMAND = ("reevaluate", "logs", "--episodes", "60")


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.mark.slow
def test_a_killed_re_evaluation_goes_on(tmp_path: Path) -> None:
    write_config(tmp_path / "calm", LONGER)
    assert run_main(tmp_path / "calm").returncode == 0
    shutil.copytree(tmp_path / "calm", tmp_path / "killed")
    calm, killed = (tmp_path / name / "logs/run_1/reevaluation.jsonl" for name in ("calm", "killed"))
    assert run_r2po(tmp_path / "calm", *COMMAND).returncode == 0
    process = start(tmp_path / "killed", [sys.executable, "-m", "r2po", *COMMAND], environ())
    wait_until(lambda: lines(killed) >= 3, process)
    process.kill()
    finish(process)
    assert 3 <= lines(killed) < 30
    assert run_r2po(tmp_path / "killed", *COMMAND).returncode == 0
    assert killed.read_bytes() == calm.read_bytes()
    assert lines(calm) == 30
