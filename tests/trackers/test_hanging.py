"""Real trackers whose server takes connections and never answers: the run and its process end all the same."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.processes import NIM, environ, finish, start, write_config
from tests.trackers.runs import SMALL, result
from tests.trackers.test_wandb import command

pytestmark = pytest.mark.slow


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_server_that_never_answers_stops_no_run(name: str, silent: str, tmp_path: Path) -> None:
    pytest.importorskip(f"{name}.sdk" if name == "wandb" else name, reason=f"needs the extra {name}")
    write_config(tmp_path, {**NIM, **SMALL, "llm_model_name": "embedded/search", "logdir": "logs/exp", "track": [name]})
    env = environ(
        HOME=str(tmp_path),
        WANDB_MODE="online",
        WANDB_API_KEY="0123456789" * 4,
        WANDB_BASE_URL=silent,
        MLFLOW_TRACKING_URI=silent,
    )
    done = finish(start(tmp_path, command(), env, fresh=True))
    assert done.returncode == 0, done.stderr
    assert f"{name} stopped: it did not answer within 15 s; the run goes on; `" in done.stdout
    assert "0123456789" not in done.stdout + done.stderr
    assert result(tmp_path / "logs/exp/run_1")["iterations"] == 4
