"""What works on a system with less than Linux has: without locks of files, without limits, with fewer signals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from r2po import machine
from r2po.isolation import wall
from r2po.isolation.outcomes import NoWallError
from r2po.runlog import RunDirectory
from tests.builders import CONFIGS

ELSEWHERE = """
import importlib.abc, json, os, signal, sys

MISSING = {"fcntl", "resource", "pwd", "grp", "termios", "_posixshmem", "spwd", "syslog"}

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in MISSING:
            raise ImportError(f"no {name} on this system")

for name in MISSING:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Refuse())
CALLS = ("sched_getaffinity", "sched_setaffinity", "waitid", "pidfd_open", "memfd_create", "pipe2", "getrandom")
for module, names in ((os, CALLS), (signal, ("SIGPWR", "SIGPOLL", "SIGSTKFLT", "SIGRTMIN", "SIGRTMAX"))):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)

from r2po.cli import main

codes = [main(command) for command in json.loads(sys.argv[1])]
from r2po import load_runs

frames = load_runs("logs")
print("codes:", codes, "runs:", len(frames.runs), "iterations:", len(frames.iterations))
print("there:", sorted(MISSING & set(sys.modules)))
"""
SMALL = ["num_iterations=2", "num_evaluation_episodes=3", "warmup_episodes=2", "heldout_episodes=2"]
SMALL.append("rollout_engine=reference")  # nothing is compiled for so few episodes


def test_runs_and_reports_without_what_only_some_systems_have(tmp_path: Path) -> None:
    config = str(CONFIGS / "cartpole/cartpole_props.yaml")
    run = ["run", "--config", config, "--set", "llm_model_name=embedded/search", "logdir=logs/props", *SMALL]
    commands = [
        [*run, "max_llm_calls=1"],
        [*run, "--resume"],
        ["eval", "--logdir", "logs/props"],
        ["reevaluate", "logs", "--all", "--episodes", "2"],
        ["show", "logs/props/run_1"],
    ]
    program = [sys.executable, "-c", ELSEWHERE, json.dumps(commands)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CONFIGS.parent), os.environ["PYTHONPATH"]])}
    done = subprocess.run(program, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert "codes: [1, 0, 0, 0, 0] runs: 1 iterations: 2\nthere: []" in done.stdout, done.stderr
    path = tmp_path / "logs/props/run_1"
    assert RunDirectory(path).is_complete
    told = f"file locks keep nobody out here: nothing else may write to {path.relative_to(tmp_path)} meanwhile"
    assert (done.stdout + done.stderr).count(told) == 2, "once for each run and its continuation"


def test_programs_of_a_model_need_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.LINUX
    wall.prefix("limits")
    monkeypatch.setattr(wall, "LINUX", False)
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(NoWallError, match=r"need Linux: .* this is Darwin; policies .* numbers run here$"):
        wall.prefix("limits")


def test_a_process_runs_until_it_has_ended_whether_or_not_it_was_waited_for() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert machine.is_running(process.pid)
        assert process.stdin is not None
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and keeps its number
        assert machine.is_running(process.pid) == (sys.platform != "linux")
    assert not machine.is_running(process.pid)
    assert not machine.is_running(2**70)
