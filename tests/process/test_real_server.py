"""Runs against llama.cpp's own server, which serves a model of random weights: what a fake server cannot show."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from r2po.cli import main
from r2po.config.load import resolve
from r2po.errors import InputError, RunStopped
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.experiment.resolve import name_equal_samples
from r2po.methods import METHODS
from r2po.runlog.events import read_calls
from r2po.runlog.records import Result
from r2po.serving import Served
from tests.process.processes import (
    finish,
    logged,
    one_line,
    records,
    run_main,
    start_main,
    trials,
    wait_until,
    write_config,
)
from tests.real_server import NAME, byte_server, needs_server

pytestmark = needs_server

ASKING = [
    method.name
    for method in METHODS.values()
    if method.asks_model and method.templates and method.searches != "programs"
]
TASKS = ("FrozenLake-v1", "CartPole-v1", "MountainCarContinuous-v0")
BRIEF: dict[str, Any] = {
    "llm_model_name": NAME,
    "logdir": "logs",
    "seed": 1,
    "num_iterations": 2,
    "num_evaluation_episodes": 2,
    "heldout_episodes": 0,
    "warmup_episodes": 2,
    "max_traj_length": 30,
    "rollout_engine": "reference",
    "structured_output": True,
    "temperature": 1.0,
    "max_output_tokens": 600,
}
CONTEXT = 65_536
MORE = 2_000
"""Tokens; a server that does not notice that nobody waits any more writes tens of thousands."""
ENDLESS: dict[str, Any] = {"structured_output": False, "temperature": 0.0, "max_output_tokens": None}
"""Greedy and without a grammar, the model repeats itself until the context is full."""


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with byte_server(context=CONTEXT, slots=4) as served:
        yield served


class Notes(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def run(folder: Path, served: Served, **changes: Any) -> Result:
    """Run an experiment in this process."""
    values = {**BRIEF, "method": "props", "gym_env_name": "CartPole-v1", "logdir": str(folder), **changes}
    return launch(resolve(values, "test"), None, served.environ, Notes())


def told_slots(served: Served) -> list[dict[str, Any]]:
    """Return what a server tells of its slots, and of the last call of each."""
    url, headers = served.base_url.removesuffix("/v1"), {"Authorization": f"Bearer {served.key}"}
    told: list[dict[str, Any]] = requests.get(f"{url}/slots", headers=headers, timeout=60).json()
    return told


def slots(served: Served) -> list[bool]:
    """Return which slots of a server are at work."""
    return [slot["is_processing"] for slot in told_slots(served)]


def written(served: Served) -> int:
    """Return how many tokens the longest of the calls under way has written."""
    told = (each["n_decoded"] for slot in told_slots(served) for each in slot.get("next_token", ()))
    return max(told, default=0)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# ---- Every method ----


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", ASKING)
def test_every_method_runs_and_every_reply_is_within_what_was_asked(
    method: str, task: str, server: Served, tmp_path: Path
) -> None:
    result = run(tmp_path, server, method=method, gym_env_name=task)
    assert (result["iterations"], result["failed_attempts"], result["refused_replies"]) == (2, 0, 0)
    assert result["tokens"] is not None
    for record in records(tmp_path / "run_1/iterations.jsonl"):
        for candidate in record["candidates"]:
            for value in candidate["params"]:
                assert isinstance(value, int) if task == "FrozenLake-v1" else -6 <= value == round(value, 1) <= 6


def test_a_search_goes_on_though_the_model_writes_no_program(server: Served, tmp_path: Path) -> None:
    result = run(tmp_path, server, method="promptpo", gym_env_name="CartPole-v1", candidates=2, num_iterations=1)
    assert (result["iterations"], result["failed_attempts"], result["best_reward"]) == (1, 0, None)
    (record,) = records(tmp_path / "run_1/iterations.jsonl")
    assert [candidate["failure"]["kind"] for candidate in record["candidates"]] == ["policy", "policy"]
    prompts = {call.prompt for call in read_calls(tmp_path / "run_1") if call.role == "search"}
    assert len(prompts) >= 6


def test_two_samples_of_a_prompt_differ(server: Served, tmp_path: Path) -> None:
    run(tmp_path, server, method="pure_search")
    for record in records(tmp_path / "run_1/iterations.jsonl"):
        first, second = record["candidates"]
        assert first["params"] != second["params"]


def test_a_greedy_model_is_asked_for_another_answer_or_the_user_is_told(server: Served, tmp_path: Path) -> None:
    greedy = {"method": "pure_search", "temperature": 0.0, "num_iterations": 1}
    run(tmp_path, server, **greedy, number_samples=True)
    first, second = (call.prompt for call in read_calls(tmp_path / "run_1"))
    assert second.startswith(first)
    assert "this is number 2. Give an answer that differs" in second
    for numbered, count in ((False, 1), (True, 0)):
        values = {**BRIEF, **greedy, "gym_env_name": "CartPole-v1", "number_samples": numbered}
        notes = Notes()
        name_equal_samples(resolve(values, "test"), notes)
        assert len(notes.lines) == count


# ---- Commands ----


def test_the_doctor_finds_it_well(server: Served, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    config = write_config(tmp_path, {**BRIEF, "method": "props", "gym_env_name": "CartPole-v1"})
    assert main(["doctor", "--config", str(config)]) == 0
    said = capsys.readouterr().out
    for line in ("bytes is known there: 0 million parameters", "context:   65,536 tokens", "the reply could be used"):
        assert line in said


def test_a_replay_gives_the_same_bytes(server: Served, tmp_path: Path) -> None:
    recorded, again = tmp_path / "recorded", tmp_path / "again"
    run(recorded, server, method="r2po", structured_output=True)
    run(again, server, method="r2po", llm_model_name=f"replay/{recorded}/run_1")
    assert trials(again / "run_1") == trials(recorded / "run_1")
    first, second = (logged(folder / "run_1") for folder in (recorded, again))
    assert first["warmup.jsonl"] == second["warmup.jsonl"]


def test_a_run_that_stopped_goes_on_from_its_replies(server: Served, tmp_path: Path) -> None:
    with pytest.raises(RunStopped, match="max_llm_calls"):
        run(tmp_path, server, method="r2po", max_llm_calls=3)
    stopped = records(tmp_path / "run_1/llm_calls.jsonl")
    result = run(tmp_path, server, method="r2po", resume_run=1)
    assert (result["iterations"], result["llm_calls"]) == (2, 4)
    assert records(tmp_path / "run_1/llm_calls.jsonl")[: len(stopped)] == stopped


# ---- Trouble ----


def written_on(folder: Path, server: Served, stop: signal.Signals, **changes: Any) -> tuple[int, int]:
    """Stop a run while the server writes; return its exit code, and how many tokens the server wrote after its end.

    There are always some, up to ``MORE``: the server needs a while to notice. It would write many times as many.
    """
    write_config(folder, {**BRIEF, **ENDLESS, "method": "props", "gym_env_name": "CartPole-v1", **changes})
    process = start_main(folder, server=None, **server.environ)
    wait_until(lambda: written(server) > 0, process)
    process.send_signal(stop)
    code = finish(process).returncode
    before = most = written(server)
    while any(slots(server)) and most - before < MORE:
        most = max(most, written(server))
        time.sleep(0.01)
    return code, most - before


@pytest.mark.parametrize(
    ("stop", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_stop_ends_what_the_server_writes(stop: signal.Signals, code: int, tmp_path: Path) -> None:
    with byte_server(context=CONTEXT) as server:
        ended, more = written_on(tmp_path, server, stop)
        assert ended == code
        assert more < MORE


@pytest.mark.slow
def test_without_streaming_the_server_writes_on(tmp_path: Path) -> None:
    """If it no longer does, the test above shows nothing."""
    with byte_server(context=CONTEXT) as server:
        ended, more = written_on(tmp_path, server, signal.SIGINT, llm_streaming=False)
        assert ended == 130
        assert more >= MORE


def test_a_run_goes_on_when_its_server_was_killed_and_is_started_again(tmp_path: Path) -> None:
    port, key = free_port(), "local-the-same-key-again"
    write_config(tmp_path, {**BRIEF, "method": "props", "gym_env_name": "CartPole-v1", "num_iterations": 10})
    iterations, calls = (tmp_path / f"logs/run_1/{name}.jsonl" for name in ("iterations", "llm_calls"))
    with byte_server(port=port, key=key) as served:
        process = start_main(tmp_path, "--set", "llm_max_attempts=30", server=None, **served.environ)
        wait_until(lambda: iterations.exists() and bool(records(iterations)), process)
        os.kill(served.process.pid, signal.SIGKILL)
        wait_until(lambda: served.process.poll() is not None)
    assert process.stdout is not None
    said = ""
    while "next attempt in" not in said:
        said = process.stdout.readline()
        assert said, process.communicate()
    before = records(calls)
    assert [event["event"] for event in before].count("reply") < 10
    with byte_server(port=port, key=key):
        done = finish(process)
    assert done.returncode == 0, done.stderr
    assert records(calls)[: len(before)] == before
    assert len(records(iterations)) == 10
    result = json.loads((tmp_path / "logs/run_1/result.json").read_text())
    assert (result["llm_calls"], result["refused_replies"]) == (10, 0)
    assert result["failed_attempts"] > 0


def test_a_context_that_is_full_is_told_as_such(tmp_path: Path) -> None:
    with byte_server(context=2304) as served, pytest.raises(RunStopped) as stopped:
        run(tmp_path, served, **ENDLESS)
    assert "with its prompt, it filled the context of 2,304 tokens; show less in prompts" in str(stopped.value)
    calls = [event for event in records(tmp_path / "run_1/llm_calls.jsonl") if event["event"] == "request"]
    assert len({event["prompt_sha256"] for event in calls}) == len(calls) == 6


def test_a_prompt_that_does_not_fit_is_told_before_there_is_a_run(tmp_path: Path) -> None:
    with byte_server(context=512) as served, pytest.raises(InputError) as refused:
        run(tmp_path, served)
    assert re.search(r"exceeds the available context size \(512 tokens\).*; serve the model with a", str(refused.value))
    assert not (tmp_path / "run_1").exists()


def test_a_wrong_key_is_told_before_there_is_a_run(server: Served, tmp_path: Path) -> None:
    write_config(tmp_path, {**BRIEF, "method": "props", "gym_env_name": "CartPole-v1"})
    done = run_main(tmp_path, server=None, **{**server.environ, "OPENAI_API_KEY": "local-a-wrong-key-of-some-length"})
    assert done.returncode == 2
    assert "Invalid API Key; the server wants a valid key: check OPENAI_API_KEY" in one_line(done.stderr)
    assert "a-wrong-key" not in done.stderr
    assert not (tmp_path / "logs").exists()


@pytest.mark.slow
def test_a_sweep_keeps_four_slots_busy(server: Served, tmp_path: Path) -> None:
    values = {key: value for key, value in BRIEF.items() if key != "seed"}
    write_config(tmp_path, {**values, "method": "r2po", "gym_env_name": "CartPole-v1", "max_output_tokens": 1500})
    process = start_main(tmp_path, "--runs", "4", "--jobs", "4", "--quiet", server=None, **server.environ)
    most = 0
    while process.poll() is None:
        most = max(most, sum(slots(server)))
        time.sleep(0.01)
    assert finish(process).returncode == 0
    assert most > 1
    for number in range(1, 5):
        assert len(records(tmp_path / f"logs/run_{number}/iterations.jsonl")) == 2
