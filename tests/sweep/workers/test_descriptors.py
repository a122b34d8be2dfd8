"""How many files the runs of a sweep may open."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from r2po.config import Config, resolve
from r2po.sweep.workers.descriptors import OF_A_PROCESS, descriptors_of, fitting, needed
from tests.llm.fake_ollama import FakeOllama
from tests.process.processes import NIM, environ, finish, player, start
from tests.sweep.sweeping import results, write_experiments

RAISE = """
import resource
from r2po.sweep.workers.descriptors import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 400))
for wanted in (50, 300, 5000, 200):
    print(raise_limit(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from r2po.cli import main
sys.exit(main(sys.argv[1:]))
"""


def config(**changes: Any) -> Config:
    return resolve({**NIM, "logdir": "logs", **changes}, "test")


def test_a_run_needs_a_connection_for_each_call_at_once_and_for_each_server() -> None:
    one, two = (descriptors_of(config(method=method)) for method in ("props", "r2po"))  # calls of an iteration
    assert two == one + 1
    assert descriptors_of(config(method="props", track=["tensorboard", "mlflow"])) > one + 2
    assert descriptors_of(config(method="r2po", max_concurrent_calls=1)) == one
    assert descriptors_of(config(method="r2po", critic_llm_model_name="ollama/other")) == two + 2


def test_what_fits_is_what_is_needed() -> None:
    configs = [config(method="props"), config(method="r2po")]
    for jobs, workers in ((1, 1), (7, 2), (560, 8)):
        limit = needed(configs, jobs, workers)
        assert fitting(configs, workers, limit) >= jobs > fitting(configs, workers, limit - 1) - workers
    assert fitting(configs, 2, OF_A_PROCESS) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_the_soft_limit_is_raised_as_far_as_needed_and_allowed() -> None:
    done = subprocess.run([sys.executable, "-c", RAISE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["100 100 400", "300 300 400", "400 400 400", "400 400 400"]


@pytest.mark.parametrize(
    ("soft", "hard", "told"), [pytest.param(48, 4096, False, marks=pytest.mark.slow), (140, 140, True)]
)
def test_no_run_fails_for_want_of_files(soft: int, hard: int, told: bool, tmp_path: Path) -> None:
    configs = write_experiments(tmp_path, num_iterations=1)
    code = LIMITED.format(soft=soft, hard=hard)
    command = [sys.executable, "-c", code, "sweep", *configs, "--runs", "12", "--jobs", "24"]

    def slow(prompt: str) -> str:
        time.sleep(0.4)  # all runs that may be are under way at once
        return player(prompt)

    with FakeOllama(slow) as server:
        done = finish(start(tmp_path, command, environ(server)))
    assert done.returncode == 0, done.stderr
    assert len(results(tmp_path)) == 24
    assert (f"of 24 runs at once: {hard} open files are allowed to a process" in done.stdout) == told
