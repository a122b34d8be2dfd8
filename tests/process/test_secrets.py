"""Keys come from the environment or from ``.env`` and go to the server: nowhere else."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.llm.fake_ollama import FakeOllama, Handler, stall
from tests.process.processes import (
    CARTPOLE,
    KEYS,
    Completed,
    environ,
    finish,
    one_line,
    player,
    run_main,
    run_r2po,
    start,
    start_main,
    wait_until,
    write_config,
)

MARKS = {name: f"marker-{name.lower().replace('_', '-')}-8q1f" for name in KEYS}
FILE_MARKS = {name: f"file-{mark}" for name, mark in MARKS.items()}


def echo_headers(handler: Handler) -> None:
    """Answer as a careless proxy does: with an error that repeats what it was sent."""
    handler.send_json({"error": f"bad gateway: {dict(handler.headers)}"}, 502)


def echo_and_refuse(handler: Handler) -> None:
    handler.send_json({"error": f"no access with {handler.headers['Authorization']}"}, 403)


def succeeds(folder: Path, server: FakeOllama) -> list[Completed]:
    done = run_main(folder, server=server, **MARKS)
    prompt = run_r2po(folder, "prompt", "logs/run_1", "1", "critic")
    assert (done.returncode, prompt.returncode) == (0, 0), done.stderr
    return [done, prompt]


def dry(folder: Path, server: FakeOllama) -> list[Completed]:
    return [run_main(folder, "--dry-run", server=server, **MARKS)]


def is_refused_at_once(folder: Path, server: FakeOllama) -> list[Completed]:
    server.always(echo_and_refuse, "/api/tags")
    done = run_main(folder, server=server, **MARKS)
    assert done.returncode == 2
    return [done]


def is_refused_in_the_middle(folder: Path, server: FakeOllama) -> list[Completed]:
    server._reply = lambda prompt: "no numbers"
    server.inject(echo_headers)
    done = run_main(folder, server=server, **MARKS)
    assert done.returncode == 1
    assert "a call failed" in done.stdout
    return [done]


def is_stopped(folder: Path, server: FakeOllama) -> list[Completed]:
    server.always(stall())
    process = start_main(folder, server=server, **MARKS)
    wait_until(lambda: bool(server.chats), process)
    process.send_signal(signal.SIGTERM)
    done = finish(process)
    assert done.returncode == 143
    return [done]


def has_a_key_in_its_config(folder: Path, server: FakeOllama) -> list[Completed]:
    config = write_config(folder / "with key", {**CARTPOLE, "OLLAMA_API_KEY": MARKS["OLLAMA_API_KEY"]})
    done = run_main(folder, "--config", str(config), server=server, **MARKS)
    config.unlink()
    assert done.returncode == 2
    return [done]


@pytest.mark.parametrize(
    "case", [succeeds, dry, is_refused_at_once, is_refused_in_the_middle, is_stopped, has_a_key_in_its_config]
)
def test_no_key_appears_anywhere(tmp_path: Path, case: Callable[[Path, FakeOllama], list[Completed]]) -> None:
    write_config(tmp_path, CARTPOLE)
    (tmp_path / ".env").write_text("".join(f"{name}={mark}\n" for name, mark in FILE_MARKS.items()))
    with FakeOllama(player, key=MARKS["OLLAMA_API_KEY"]) as server:
        outputs = case(tmp_path, server)
    (tmp_path / ".env").unlink()
    texts = [text.encode() for done in outputs for text in (done.stdout, done.stderr)]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for secret in (b"marker-", b"8q1f"):
        assert not [data for data in texts + files if secret in data]


def test_a_key_in_the_env_file_reaches_the_server(tmp_path: Path) -> None:
    write_config(tmp_path, CARTPOLE)
    with FakeOllama(player, key=FILE_MARKS["OLLAMA_API_KEY"]) as server:
        (tmp_path / ".env").write_text(f"OLLAMA_API_KEY={FILE_MARKS['OLLAMA_API_KEY']}\nOLLAMA_BASE_URL={server.url}\n")
        done = run_main(tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"OLLAMA_API_KEY, OLLAMA_BASE_URL: from {tmp_path / '.env'}" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only an administrator can give a file away")
@pytest.mark.parametrize("command", ["run", "sweep", "doctor"])
def test_the_env_file_of_somebody_else_leads_no_key_astray(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "mine"
    write_config(folder, CARTPOLE)
    with FakeOllama(player) as server:
        path = tmp_path / ".env"
        path.write_text(f"OLLAMA_BASE_URL={server.url}\n")
        os.chown(path, 54_321, -1)
        arguments = {"run": ["run"], "sweep": ["sweep", "--runs", "2"], "doctor": ["doctor"]}[command]
        config = ["config.yaml"] if command == "sweep" else ["--config", "config.yaml"]
        process = start(
            folder, [sys.executable, "-m", "r2po", *arguments, *config], environ(OLLAMA_API_KEY=MARKS["OLLAMA_API_KEY"])
        )
        refused = finish(process)
        assert refused.returncode == 2
        assert f"{path} belongs to user 54321, not to you" in one_line(refused.stderr)
        assert server.requests == []
    assert not (folder / "logs").exists()
