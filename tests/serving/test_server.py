"""Starting, finding and ending a real llama.cpp server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from r2po.commands.serve import instructions, with_free_name
from r2po.errors import InputError
from r2po.serving import ModelFile, ServerSettings, serve
from r2po.serving import server as server_module
from tests.process.processes import environ, finish, start, wait_until
from tests.real_server import NAME, byte_model, byte_server, needs_server


def is_alive(process: int) -> bool:
    """Whether a process runs; one that has ended and is not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@needs_server
def test_a_server_answers_while_the_block_lasts_and_wants_its_key() -> None:
    with byte_server(context=2048, slots=2) as served:
        models = f"{served.base_url}/models"
        answer = requests.get(models, headers={"Authorization": f"Bearer {served.key}"}, timeout=10)
        assert [model["id"] for model in answer.json()["data"]] == [NAME]
        assert requests.post(f"{served.base_url}/chat/completions", json={}, timeout=10).status_code == 401
        assert (served.context, served.slots) == (2048, 2)
        assert served.base_url.startswith("http://127.0.0.1:")
        assert served.key not in Path(f"/proc/{served.process.pid}/cmdline").read_text()
        assert served.key not in repr(served)
    assert served.process.poll() is not None
    with pytest.raises(requests.ConnectionError):
        requests.get(models, timeout=10)


@needs_server
@pytest.mark.parametrize("chosen", [None, "active"])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(
    chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if chosen:
        monkeypatch.setenv("OMP_WAIT_POLICY", chosen)
    with byte_server(context=2048) as served:
        variables = Path(f"/proc/{served.process.pid}/environ").read_text().split("\0")
    assert f"OMP_WAIT_POLICY={chosen or 'passive'}" in variables


@needs_server
def test_keys_differ_from_server_to_server() -> None:
    assert ServerSettings(byte_model()).key != ServerSettings(byte_model()).key


@needs_server
def test_a_context_is_no_longer_than_what_the_model_was_made_for() -> None:
    with byte_server(context=1_000_000) as served:
        assert served.context == 65_536


@needs_server
def test_a_damaged_model_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(byte_model().path.read_bytes()[:20_000])
    with (
        pytest.raises(InputError, match=r"cannot serve .*damaged\.gguf: .*\S") as told,
        serve(ServerSettings(ModelFile(path, "damaged"))),
    ):
        pass
    assert len(str(told.value).splitlines()) == 1


@needs_server
def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"is port {port} free"), byte_server(port=port):
            pass


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "find_spec", lambda _: None)
    with (
        pytest.raises(InputError, match=r"needs the package xllamacpp .*: pip install 'r2po\[local\]'"),
        serve(ServerSettings(ModelFile(Path("any.gguf"), "any"))),
    ):
        pass


def start_serving(tmp_path: Path) -> tuple[subprocess.Popen[str], str, int]:
    """Start ``r2po serve``; returns it, what it says, and the process of the server."""
    command = [sys.executable, "-m", "r2po", "serve", "--model", str(byte_model().path), "--context", "2048"]
    process = start(tmp_path, command, environ())
    assert process.stdout is not None
    said = ""
    while "Ctrl-C stops the server" not in said:
        line = process.stdout.readline()
        assert line, process.communicate()
        said += line
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 1
    return process, said, int(children[0])


@needs_server
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_the_server_ends_with_the_command_however_that_ends(tmp_path: Path, number: signal.Signals, code: int) -> None:
    process, _, child = start_serving(tmp_path)
    process.send_signal(number)
    assert finish(process).returncode == code
    wait_until(lambda: not is_alive(child))


@needs_server
def test_the_end_of_the_server_is_told(tmp_path: Path) -> None:
    process, _, child = start_serving(tmp_path)
    os.kill(child, signal.SIGKILL)
    done = finish(process)
    assert (done.returncode, done.stderr) == (1, f"error: the server of {NAME} ended by itself (signal 9)\n")


@needs_server
def test_what_it_prints_is_what_a_run_needs(tmp_path: Path) -> None:
    process, said, _ = start_serving(tmp_path)
    variables = dict(line.split("=", 1) for line in said.splitlines() if line.startswith("OPENAI_"))
    command = [sys.executable, "-m", "r2po", "doctor", "--model", NAME]
    examined = finish(start(tmp_path, command, {**environ(), **variables}))
    process.send_signal(signal.SIGINT)
    finish(process)
    assert "2,048 tokens" in said
    assert f"ok      model:     {NAME} is known there" in examined.stdout


@needs_server
def test_a_name_that_would_choose_another_provider_is_changed() -> None:
    with byte_server(context=2048) as served:
        for name, free in (("gemini-clone", "local-model"), ("claude-clone", "local-model"), ("qwen3", "qwen3")):
            model = with_free_name(ModelFile(Path("any.gguf"), name))
            assert model.name == free
            assert f"llm_model_name: {free}\n" in instructions(model, replace(served, name=free))
