"""Sweeps as real processes, as a user starts them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.llm.fake_servers import FakeServer
from tests.process.processes import NIM, Completed, environ, finish, logged, start, write_config

SMALL: Mapping[str, Any] = {**NIM, "logdir": "logs/nim", "num_iterations": 5}


def write_experiments(folder: Path, **changes: Any) -> list[str]:
    """Write two experiments; return their file names."""
    for method in ("props", "r2po"):
        values = {**SMALL, "method": method, "logdir": f"logs/nim_{method}", **changes}
        write_config(folder, values, f"{method}.yaml")
    return ["props.yaml", "r2po.yaml"]


def start_sweep(folder: Path, *arguments: str, server: FakeServer | None = None, **env: str) -> subprocess.Popen[str]:
    """Start ``r2po sweep`` in a folder, as the leader of its own process group."""
    command = [sys.executable, "-m", "r2po", "sweep", *arguments]
    return start(folder, command, environ(server, **env), start_new_session=True)


def run_sweep(folder: Path, *arguments: str, server: FakeServer | None = None, **env: str) -> Completed:
    """Run a sweep to its end."""
    return finish(start_sweep(folder, *arguments, server=server, **env))


def children(process: int) -> list[int]:
    """Return the processes that a process has started."""
    try:
        return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except FileNotFoundError:
        return []


def workers(process: int) -> list[int]:
    """Return the worker processes of a sweep; the others belong to Python's multiprocessing itself."""
    return [each for each in children(process) if b"spawn_main" in _command(each)]


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def is_alive(process: int) -> bool:
    """Return whether a process runs, and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def results(folder: Path) -> dict[str, Any]:
    """Return what each run of a folder wrote that does not depend on when it was written, or on lost calls."""
    content = {}
    for run in sorted(folder.glob("logs/*/run_*")):
        log = logged(run)
        calls = log.pop("llm_calls.jsonl")
        replies = [event["text"] for event in calls if event["event"] == "reply"]
        content[str(run.relative_to(folder))] = {**log, "replies": replies}
    return content
