"""Replies that cannot be used: asked again, recorded, and not paid for twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.llm.fake_ollama import Answer, FakeOllama
from tests.process.processes import (
    CARTPOLE,
    continue_run,
    one_line,
    player,
    records,
    run_main,
    run_r2po,
    trials,
    write_config,
)

ATTEMPTS = 6


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose replies were all usable."""
    folder = tmp_path_factory.mktemp("calm")
    write_config(folder, CARTPOLE)
    with FakeOllama(player) as server:
        assert run_main(folder, server=server).returncode == 0
    return folder / "logs/run_1"


def refusals(run: Path) -> list[str]:
    events = records(run / "llm_calls.jsonl")
    return [event["refusal"] for event in events if event["event"] == "reply" and event["refusal"]]


def first(*answers: Answer) -> Any:
    """Give these answers before playing properly."""
    left: Iterator[Answer] = iter(answers)
    return lambda prompt: next(left, None) or player(prompt)


def test_unusable_and_cut_off_replies_are_asked_again_and_change_no_trial(tmp_path: Path, calm: Path) -> None:
    write_config(tmp_path, CARTPOLE)
    cut_off = {"done_reason": "length", "message": {"content": "params[0]: 1.0, para"}}
    with FakeOllama(first("I would rather not.", "params[0]: 1.0", cut_off)) as server:
        done = run_main(tmp_path, server=server)
        prompts = [body["messages"][0]["content"] for body in server.chats[:4]]
    assert done.returncode == 0, done.stderr
    run = tmp_path / "logs/run_1"
    assert trials(run) == trials(calm)
    said = refusals(run)
    assert "no parameters found" in said[0]
    assert "missing params[1]" in said[1]
    assert "cut off" in said[2]
    assert len(said) == 3
    for attempt, prompt in enumerate(prompts[1:], 2):
        assert prompt.startswith(prompts[0])
        assert all(f"{refusal}." in prompt for refusal in said[: attempt - 1])
    assert "3 unusable replies" in done.stdout
    shown = run_r2po(tmp_path, "prompt", str(run), "1", "search").stdout
    assert [shown.count(f"search, sample 0, attempt {attempt} =====") for attempt in range(1, 6)] == [1, 1, 1, 1, 0]
    assert "reply of ollama/tiny: refused: no parameters found" in shown
    assert shown.count("reply of ollama/tiny: accepted") == 1


def test_a_model_that_never_gives_a_usable_reply_stops_the_run_and_gets_new_attempts_on_resume(
    tmp_path: Path, calm: Path
) -> None:
    write_config(tmp_path, CARTPOLE)
    run = tmp_path / "logs/run_1"
    with FakeOllama(lambda prompt: "no idea") as server:
        stopped = run_main(tmp_path, server=server)
        assert stopped.returncode == 1
        assert "no usable reply in 6 attempts" in one_line(stopped.stderr)
        assert len(server.chats) == ATTEMPTS
    with FakeOllama(first("still no idea")) as server:
        done = continue_run(tmp_path, stopped.stderr, server)
        assert done.returncode == 0, done.stderr
        assert len(server.chats) == 2 * CARTPOLE["num_iterations"] + 1
    assert trials(run) == trials(calm)
    assert len(refusals(run)) == ATTEMPTS + 1
    attempts = [event["attempt"] for event in records(run / "llm_calls.jsonl") if event["event"] == "request"]
    assert attempts[: ATTEMPTS + 2] == list(range(1, ATTEMPTS + 3))


def test_a_model_that_stays_useless_stops_each_time_after_the_same_number_of_attempts(tmp_path: Path) -> None:
    write_config(tmp_path, CARTPOLE)
    with FakeOllama(lambda prompt: "no idea") as server:
        stopped = run_main(tmp_path, server=server)
        for time in (2, 3):
            stopped = continue_run(tmp_path, stopped.stderr, server)
            assert stopped.returncode == 1
            assert len(server.chats) == time * ATTEMPTS
