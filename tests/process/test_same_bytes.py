"""The same config, seed and replies give the same bytes; every output of the stand-in says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from r2po.cli import main
from tests.llm.fake_servers import FakeAnthropic, FakeGemini, FakeOllama, FakeOpenAI, FakeServer
from tests.process.processes import CARTPOLE, NIM, logged, player, run_main, run_r2po, write_config

STAND_IN = {"llm_model_name": "embedded/search"}


@pytest.mark.parametrize("values", [CARTPOLE, NIM], ids=["linear", "tabular"])
def test_the_stand_in_gives_the_same_logs_twice(tmp_path: Path, values: Mapping[str, Any]) -> None:
    runs = []
    for name in ("once", "twice"):
        write_config(tmp_path / name, {**values, **STAND_IN, "keep_trajectories": "all"})
        done = run_main(tmp_path / name)
        assert done.returncode == 0, done.stderr
        runs.append(logged(tmp_path / name / "logs/run_1"))
    assert runs[0] == runs[1]
    assert {"run.yaml", "result.json", "iterations.jsonl", "llm_calls.jsonl", "warmup.jsonl"} <= set(runs[0])
    assert any(name.endswith(".npz") for name in runs[0])


@pytest.mark.parametrize("values", [CARTPOLE, NIM], ids=["linear", "tabular"])
def test_a_model_behind_http_gives_the_same_trials_as_the_same_replies_without(
    tmp_path: Path, values: Mapping[str, Any]
) -> None:
    """The server plays the stand-in: over the wire and without it, the experiment is the same."""
    write_config(tmp_path / "http", {**values, "method": "props"})
    write_config(tmp_path / "local", {**values, **STAND_IN, "method": "props"})
    with FakeOllama(player) as server:
        done = run_main(tmp_path / "http", server=server)
        assert done.returncode == 0, done.stderr
    assert run_main(tmp_path / "local").returncode == 0
    there, here = (logged(tmp_path / name / "logs/run_1") for name in ("http", "local"))
    assert there["warmup.jsonl"] == here["warmup.jsonl"]
    assert [record["candidates"][0]["returns"] for record in there["iterations.jsonl"]] == [
        record["candidates"][0]["returns"] for record in here["iterations.jsonl"]
    ]
    assert there["result.json"]["stand_in"] is False
    assert here["result.json"]["stand_in"] is True


def run_here(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.chdir(folder)
    assert main(["run", "--config", "config.yaml", "--quiet", *options]) == 0


@pytest.mark.parametrize("kind", [FakeOllama, FakeAnthropic, FakeGemini, FakeOpenAI])
def test_streamed_replies_leave_the_same_logs_as_whole_ones(
    kind: type[FakeServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    with kind(player) as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        for streaming in ("true", "false"):
            folder = tmp_path / streaming
            write_config(folder, {**CARTPOLE, "llm_model_name": server.model, "method": "props"})
            run_here(folder, monkeypatch, "--set", f"llm_streaming={streaming}")
            runs.append(logged(folder / "logs/run_1"))
        chats = [request for request in server.requests if server.route(request.path) == server.chat_path]
        streamed = [server.is_streamed(request.path, request.body) for request in chats]
    half = len(streamed) // 2
    assert streamed == [True] * half + [False] * half
    assert [run["run.yaml"]["config"].pop("llm_streaming") for run in runs] == [True, False]
    assert runs[0] == runs[1]


def test_ten_runs_are_ten_samples_and_a_seed_fixes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config(tmp_path, {**CARTPOLE, **STAND_IN, "num_iterations": 1})
    for _ in range(10):
        run_here(tmp_path, monkeypatch)
    runs = [logged(tmp_path / f"logs/run_{number}") for number in range(1, 11)]
    assert [log["run.yaml"]["seed"] for log in runs] == list(range(1, 11))
    assert [log["run.yaml"]["config"]["seed"] for log in runs] == [None] * 10
    first_trials = {tuple(log["warmup.jsonl"][0]["params"]) for log in runs}
    proposals = {tuple(log["iterations.jsonl"][0]["candidates"][0]["params"]) for log in runs}
    assert len(first_trials) == len(proposals) == 10

    run_here(tmp_path, monkeypatch, "--seed", "3")
    assert logged(tmp_path / "logs/run_11")["iterations.jsonl"] == runs[2]["iterations.jsonl"]


def test_every_output_of_the_stand_in_says_so(tmp_path: Path) -> None:
    write_config(tmp_path, {**NIM, **STAND_IN})
    done = run_main(tmp_path)
    assert done.stdout.count("embedded stand-in: no language model answered") == 2  # heading and summary
    assert run_main(tmp_path, "--resume", "1").stdout.count("embedded stand-in") == 1
    log = logged(tmp_path / "logs/run_1")
    assert log["result.json"]["stand_in"] is True
    assert log["run.yaml"]["stand_in"] is True
    assert (
        "embedded/search (embedded stand-in, no language model)"
        in run_r2po(tmp_path, "prompt", "logs/run_1", "1", "search").stdout
    )
    assert "embedded/search gave here in its place" in run_main(tmp_path, "--dry-run").stdout
