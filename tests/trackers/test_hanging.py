"""Real trackers whose server takes connections and never answers: the run and its process end all the same."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.processes import NIM, environ, finish, start, write_config
from tests.trackers.runs import SMALL, make_run, result
from tests.trackers.test_wandb import command

pytestmark = pytest.mark.slow


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def hanging(silent: str, home: Path) -> dict[str, str]:
    return environ(
        HOME=str(home),
        WANDB_MODE="online",
        WANDB_API_KEY="0123456789" * 4,
        WANDB_BASE_URL=silent,
        MLFLOW_TRACKING_URI=silent,
    )


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_server_that_never_answers_stops_no_run(name: str, silent: str, tmp_path: Path) -> None:
    pytest.importorskip(f"{name}.sdk" if name == "wandb" else name, reason=f"needs the extra {name}")
    write_config(tmp_path, {**NIM, **SMALL, "llm_model_name": "embedded/search", "logdir": "logs/exp", "track": [name]})
    done = finish(start(tmp_path, command(), hanging(silent, tmp_path), fresh=True))
    assert done.returncode == 0, done.stderr
    why = "(did not answer within 15 s|was still loading 30 s after the run)"  # the latter where the machine is slow
    assert re.search(f"{name} stopped: it {why}; the run goes on; `", done.stdout)
    assert "0123456789" not in done.stdout + done.stderr
    assert result(tmp_path / "logs/exp/run_1")["iterations"] == 4


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_runs_are_not_sent_for_ever(name: str, silent: str, tmp_path: Path) -> None:
    pytest.importorskip(f"{name}.sdk" if name == "wandb" else name, reason=f"needs the extra {name}")
    runs = [make_run(tmp_path / "logs" / folder) for folder in ("one", "two")]
    command = [sys.executable, "-m", "r2po", "track", *map(str, runs), "--to", name]
    done = finish(start(tmp_path, command, hanging(silent, tmp_path), fresh=True))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[:3] == [
        f"sending 2 runs to {name}",
        f"{runs[0]} to {name}: not sent: it did not answer within 15 s",
        f"1 more run not sent to {name}, for the same reason",
    ]
