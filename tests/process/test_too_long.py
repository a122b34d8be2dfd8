"""A run whose prompts become longer than the context: it stops before it pays, and continues with a longer one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from r2po.cli import main
from r2po.runlog import open_run
from r2po.runlog.events import read_calls
from tests.llm.fake_servers import FakeOpenAI
from tests.llm.fake_servers.core import status
from tests.process.processes import CARTPOLE, player, write_config
from tests.sweep.sweeping import run_sweep

OPENAI = {**CARTPOLE, "llm_model_name": "openai:tiny"}


def tell(server: FakeOpenAI, context: int) -> None:
    """Let a server tell its context as vLLM does."""
    server.always(status(200, {"object": "list", "data": [{"id": "tiny", "max_model_len": context}]}), path="/models")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    write_config(Path(), OPENAI)
    with FakeOpenAI(player) as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        yield server


def run(*options: str) -> int:
    return main(["run", "--config", "config.yaml", *options])


def test_a_first_prompt_that_fits_nowhere_leaves_no_run_behind(
    served: FakeOpenAI, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(served, 600)
    assert run("--set", "warmup_episodes=40") == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: the search prompt of iteration 1 has ")
    assert said[0].endswith(
        " tokens or more, and the context has 600: serve the model with a longer context, or show less in prompts "
        "(rollout_window, history_window)"
    )
    assert served.chats == []
    assert not Path("logs/run_1").exists()


def test_a_later_one_stops_the_run_until_the_context_is_longer(
    served: FakeOpenAI, capsys: pytest.CaptureFixture[str]
) -> None:
    """The search's first prompt takes about 1,200 tokens or more, the critic's 1,700."""
    tell(served, 1400)
    assert run() == 1
    said = capsys.readouterr().err.strip()
    assert "error: the critic prompt of iteration 1 has " in said
    assert "and the context has 1,400: " in said
    assert "--resume 1" in said
    assert len(served.chats) == 1, "the critic's prompt was not sent"
    assert [call.role for call in read_calls(Path("logs/run_1"))] == ["search"]
    tell(served, 65_536)
    assert run("--resume", "1") == 0
    assert len(served.chats) == 2 * OPENAI["num_iterations"]
    assert open_run(Path("logs/run_1")).is_complete


def test_a_replay_is_not_refused(served: FakeOpenAI) -> None:
    tell(served, 65_536)
    assert run() == 0
    tell(served, 600)
    asked = len(served.requests)
    assert run("--set", "llm_model_name=replay/logs/run_1", "--set", "logdir=again") == 0
    assert len(served.requests) == asked


def test_the_longer_context_of_ollama_may_be_set_on_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.llm.fake_ollama import FakeOllama

    monkeypatch.chdir(tmp_path)
    write_config(Path(), {**CARTPOLE, "num_ctx": 1400})
    with FakeOllama(player) as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        assert run() == 1
        assert "set num_ctx in the config to more than 1400" in capsys.readouterr().err
        assert run("--resume", "1", "--set", "num_ctx=65536") == 0


@pytest.mark.slow
def test_in_a_sweep_the_others_go_on(tmp_path: Path) -> None:
    for method in ("props", "r2po"):
        write_config(tmp_path, {**OPENAI, "method": method, "logdir": f"logs/{method}"}, f"{method}.yaml")
    with FakeOpenAI(player) as server:
        tell(server, 1400)
        done = run_sweep(tmp_path, "props.yaml", "r2po.yaml", "--runs", "1", server=server)
    assert done.returncode == 1
    assert (tmp_path / "logs/props/run_1/result.json").exists()
    assert not (tmp_path / "logs/r2po/run_1/result.json").exists()
    assert "error: 1 of 2 runs failed:" in done.stderr
    assert "r2po/run_1: the critic prompt of iteration " in done.stderr
