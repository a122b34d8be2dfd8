"""Starting and stopping servers of others, on 127.0.0.1 and free ports; llama.cpp computes behind all of them."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from r2po.serving import ModelFile, Served, ServerSettings, serve

HOST = "127.0.0.1"
CONTEXT = 8192
START_S = 900.0
FIRST_ANSWER_S = 300.0
_BETWEEN_LOOKS_S = 0.5
_STOP_S = 20.0
_LONGEST_COMPLAINT = 1000


@dataclass(frozen=True)
class Foreign:
    """A server that listens, and how a config and the environment name it.

    Attributes:
        name: What the table calls it.
        wire: The wire format that it is asked in.
        model: ``llm_model_name``.
        unknown: A model of the same provider that it does not have.
        key_variable: Where its key is read from.
        environ: The environment that leads to it.
        versions: Packages that matter for its answers, with their versions.
    """

    name: str
    wire: str
    model: str
    unknown: str
    key_variable: str
    environ: Mapping[str, str] = field(repr=False)
    versions: str


@contextmanager
def llama_cpp(name: str, weights: Path) -> Iterator[Served]:
    """Serve a model under a name."""
    with serve(ServerSettings(ModelFile(weights, name), context=CONTEXT, threads=1, warmup=False)) as served:
        yield served


@contextmanager
def openai(weights: Path) -> Iterator[Foreign]:
    """llama.cpp itself, in OpenAI's format."""
    with llama_cpp("local", weights) as served:
        yield Foreign("llama.cpp", "OpenAI", "local", "remote", "OPENAI_API_KEY", served.environ, _own("xllamacpp"))


@contextmanager
def anthropic(weights: Path) -> Iterator[Foreign]:
    """llama.cpp itself, in Anthropic's format."""
    with llama_cpp("claude-local", weights) as served:
        environ = {"ANTHROPIC_BASE_URL": served.base_url.removesuffix("/v1"), "ANTHROPIC_API_KEY": served.key}
        names = ("llama.cpp", "Anthropic", "claude-local", "claude-remote", "ANTHROPIC_API_KEY")
        yield Foreign(*names, environ, _own("xllamacpp"))


@contextmanager
def gemini(weights: Path, python: Path) -> Iterator[Foreign]:
    """LiteLLM's proxy in Gemini's format, installed next to this interpreter."""
    key = f"sk-{secrets.token_hex(16)}"
    with llama_cpp("local", weights) as served, _folder() as folder:
        upstream = {"model": "openai/local", "api_base": served.base_url, "api_key": served.key}
        settings = {
            "model_list": [{"model_name": "gemini-local", "litellm_params": upstream}],
            "litellm_settings": {"num_retries": 0, "telemetry": False},
            "general_settings": {"master_key": key},
        }
        (folder / "config.yaml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
        port = free_port()
        command = [_script(python, "litellm"), "--config", "config.yaml", "--host", HOST, "--port", str(port)]
        offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "NO_PROXY": HOST}
        with _running(command, folder, offline, f"http://{HOST}:{port}/health/liveliness"):
            # It loads most of its code with the first request, for longer than r2po waits at first contact.
            _answers(f"http://{HOST}:{port}/v1beta/models", FIRST_ANSWER_S)
            environ = {"GEMINI_BASE_URL": f"http://{HOST}:{port}", "GEMINI_API_KEY": key}
            names = ("LiteLLM", "Gemini", "gemini-local", "gemini-remote", "GEMINI_API_KEY")
            yield Foreign(*names, environ, _of(python, "litellm"))


@contextmanager
def ollama(weights: Path, python: Path) -> Iterator[Foreign]:
    """ollama-proxy-plus in Ollama's format, installed next to this interpreter."""
    with llama_cpp("local", weights) as served, _folder() as folder:
        upstream = {"api_key": served.key, "base_url": served.base_url, "retries": 0}
        settings = {"providers": {"local": upstream}, "models": ["local/local"]}
        (folder / "config.yaml").write_text(json.dumps(settings), encoding="utf-8")
        port = free_port()
        command = [_script(python, "ollama-proxy"), "serve", "--host", HOST, "--port", str(port)]
        further = {"PROXY_CONFIG_FILE": "config.yaml", "NO_PROXY": HOST}  # its --config is read too late
        with _running(command, folder, further, f"http://{HOST}:{port}/health"):
            environ = {"OLLAMA_BASE_URL": f"http://{HOST}:{port}"}
            names = ("ollama-proxy-plus", "Ollama", "ollama/local/local", "ollama/local/remote", "OLLAMA_API_KEY")
            yield Foreign(*names, environ, _of(python, "ollama-proxy-plus"))


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def _script(python: Path, name: str) -> str:
    return str(python.absolute().parent / name)  # the server runs in a folder of its own


def _own(package: str) -> str:
    from importlib.metadata import version

    return f"{package} {version(package)}"


def _of(python: Path, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    asked = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return f"{package} {asked.stdout.strip()}, {_own('xllamacpp')}"


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="r2po-foreign-") as folder:
        yield Path(folder)


@contextmanager
def _running(command: Sequence[str], folder: Path, further: Mapping[str, str], health: str) -> Iterator[None]:
    """Run a server for as long as the block lasts; it sees no variable of this process but the path of programs.

    Raises:
        RuntimeError: It ended, or does not answer; the message has the end of what it printed.
    """
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **further}
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait_for(process, health, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], health: str, log: Path) -> None:
    until = time.monotonic() + START_S
    while not _answers(health):
        if time.monotonic() > until or process.poll() is not None:
            said = log.read_text(encoding="utf-8", errors="replace")[-_LONGEST_COMPLAINT:]
            raise RuntimeError(f"{process.args!r} does not answer; it said: {said}")
        time.sleep(_BETWEEN_LOOKS_S)


def _answers(url: str, timeout_s: float = 5.0) -> bool:
    with requests.Session() as session:
        session.trust_env = False  # no proxy leads to this machine
        try:
            return session.get(url, timeout=timeout_s).ok
        except requests.RequestException:
            return False
