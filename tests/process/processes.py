"""Runs of ``main.py`` and ``r2po`` as real processes, as a user starts them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from r2po.llm.providers.embedded import EmbeddedSearch
from tests.llm.fake_servers.core import FakeServer, Handler, stall
from tests.process.preloaded import REPOSITORY as REPOSITORY
from tests.process.preloaded import Forked, can_be_forked, python_path
from tests.scripted import make_request

MAIN = REPOSITORY / "main.py"
KEYS = ("OLLAMA_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
BASE_URLS = tuple(name.replace("API_KEY", "BASE_URL") for name in KEYS)
PATIENCE_S = 120.0
"""No test depends on how fast the machine is; this only ends one that hangs."""

Completed = subprocess.CompletedProcess[str]

SMALL: Mapping[str, Any] = {
    "llm_model_name": "ollama/tiny",
    "logdir": "logs",
    "num_iterations": 4,
    "num_evaluation_episodes": 3,
    "heldout_episodes": 3,
    "warmup_episodes": 3,
    "max_traj_length": 40,
    "rollout_engine": "reference",  # loading a compiled one into each process takes longer than these episodes
}
CARTPOLE: Mapping[str, Any] = {**SMALL, "method": "r2po", "gym_env_name": "CartPole-v1"}
NIM: Mapping[str, Any] = {**SMALL, "method": "propsp", "gym_env_name": "Nim-v0", "num_iterations": 8}


def player(prompt: str) -> str:
    """Answer as the embedded stand-in does: a function of the prompt; complaints about earlier replies do not count."""
    prompt = re.split(r"\n\nYour previous (?:reply|\d replies) could not be used", prompt)[0]
    return EmbeddedSearch().complete(make_request(prompt)).text


def stall_after(server: FakeServer, answers: int) -> None:
    """Let a server give some answers, and then none."""
    server.inject(*[_answer] * answers)
    server.always(stall())


def _answer(handler: Handler) -> None:
    fake = handler.server.fake
    body = fake.requests[-1].body
    handler.send_answer(fake.chat(body), body)


def write_config(folder: Path, values: Mapping[str, Any], name: str = "config.yaml") -> Path:
    """Write a config into a folder that is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
    return folder / name


def environ(server: FakeServer | None = None, **more: str) -> dict[str, str]:
    """Return this process's environment without anything about models, but for those of a server."""
    mine = {name: value for name, value in os.environ.items() if name not in (*KEYS, *BASE_URLS, "COLUMNS")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{mine['PATH']}"
    return {**mine, "PATH": path, "PYTHONPATH": python_path(), **(server.environ if server else {}), **more}


def start(
    folder: Path, command: list[str], env: Mapping[str, str], *, fresh: bool = False, **more: Any
) -> subprocess.Popen[str]:
    """Start a command with ``folder`` as its working directory and its output in pipes.

    Unless it is to be ``fresh``, it may be forked from a process that has loaded r2po.
    """
    pipes: Mapping[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    forked = not fresh and not (more.keys() - {"start_new_session"}) and can_be_forked(command, env)
    return (Forked if forked else subprocess.Popen)(command, cwd=folder, env=dict(env), text=True, **{**pipes, **more})


def start_main(folder: Path, *options: str, server: FakeServer | None = None, **env: str) -> subprocess.Popen[str]:
    """Start ``main.py``; without ``--config`` among the options, with the one in ``folder``."""
    return start(folder, _main(folder, options), environ(server, **env))


def start_fresh_main(
    folder: Path, *options: str, server: FakeServer | None = None, **env: str
) -> subprocess.Popen[str]:
    """Start ``main.py`` as a user does, for what a forked process would not show."""
    return start(folder, _main(folder, options), environ(server, **env), fresh=True)


def _main(folder: Path, options: Sequence[str]) -> list[str]:
    config = [] if "--config" in options else ["--config", str(folder / "config.yaml")]
    return [sys.executable, str(MAIN), *config, *options]


def finish(process: subprocess.Popen[str], patience_s: float = PATIENCE_S) -> Completed:
    """Wait for a process and return what came of it."""
    with process:
        try:
            out, err = process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run_main(folder: Path, *options: str, server: FakeServer | None = None, **env: str) -> Completed:
    """Run ``main.py`` to its end."""
    return finish(start_main(folder, *options, server=server, **env))


def run_r2po(folder: Path, *arguments: str, **env: str) -> Completed:
    """Run ``r2po`` to its end."""
    return finish(start(folder, [sys.executable, "-m", "r2po", *arguments], environ(None, **env)))


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait for a condition, or for the end of a process."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition() and (process is None or process.poll() is None):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def one_line(text: str) -> str:
    """Return the only line of a text."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]


def continuation(stderr: str) -> str:
    """Return the command that the last line of an error message says to continue with."""
    _, said, command = one_line(stderr).partition("to continue: ")
    assert said, stderr
    return command


def continue_run(folder: Path, stderr: str, server: FakeServer) -> Completed:
    """Do what an error message says."""
    return finish(start(folder, ["bash", "-c", continuation(stderr)], environ(server)))


def records(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


UNSTEADY = ("times", "at", "latency_s", "cpu_s", "created", "code_revision", "servers", "sum", "sums")
"""What clocks said, the state of the repository, the ports of fake servers, and checksums, which cover them."""


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without what depends on a clock."""
    return {key: value for key, value in record.items() if key not in UNSTEADY}


def logged(run: Path) -> dict[str, Any]:
    """Return all that a run wrote, but for times, by file name."""
    content: dict[str, Any] = {}
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        name = str(path.relative_to(run))
        if path.suffix == ".jsonl":
            content[name] = [without_times(record) for record in records(path)]
        elif path.suffix == ".json":
            content[name] = without_times(json.loads(path.read_text(encoding="utf-8")))
        elif path.suffix == ".yaml":
            content[name] = without_times(yaml.safe_load(path.read_text(encoding="utf-8")))
        else:
            content[name] = path.read_bytes()
    return content


def trials(run: Path) -> list[Any]:
    """Return what each iteration evaluated and kept, whichever calls that took."""
    return [
        (record["reward"], record["accepted"], [(each["params"], each["returns"]) for each in record["candidates"]])
        for record in records(run / "iterations.jsonl")
    ]
