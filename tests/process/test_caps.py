"""Caps stop a run before the call that would exceed them; it goes on when they are raised, as if nothing had been."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from r2po.cli import main
from r2po.runlog import open_run
from tests.llm.fake_ollama import Answer, FakeOllama, status
from tests.process.processes import (
    CARTPOLE,
    KEYS,
    NIM,
    continuation,
    continue_run,
    logged,
    one_line,
    player,
    run_main,
    trials,
    write_config,
)

Run = Callable[..., int]
RUN = Path("logs/run_1")
CALLS = 2 * CARTPOLE["num_iterations"]
PRICES = {"input": 2.0, "output": 10.0}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the config in the working directory against a server."""
    monkeypatch.chdir(tmp_path)
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)

    def run(server: FakeOllama, *options: str) -> int:
        monkeypatch.setenv("OLLAMA_BASE_URL", server.url)
        return main(["run", "--config", "config.yaml", *options])

    return run


def go_on(run: Run, server: FakeOllama, stderr: str) -> int:
    """Do what an error message says."""
    command = shlex.split(continuation(stderr))
    return run(server, *command[command.index("config.yaml") + 1 :])


def used_tokens(server: FakeOllama) -> int:
    """Return what a FakeOllama that plays counts."""
    prompts = [body["messages"][0]["content"] for body in server.chats]
    return sum(len(prompt) // 4 + len(player(prompt)) // 4 for prompt in prompts)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The log of a run without caps."""
    folder = tmp_path_factory.mktemp("calm")
    write_config(folder, CARTPOLE)
    with FakeOllama(player) as server:
        assert run_main(folder, server=server).returncode == 0
    return logged(folder / RUN)


def assert_as_without_caps(calm: Mapping[str, Any]) -> None:
    log = logged(RUN)
    assert log["iterations.jsonl"] == calm["iterations.jsonl"]
    for name in ("llm_calls", "tokens", "best_params", "heldout_reward"):
        assert log["result.json"][name] == calm["result.json"][name]


@pytest.mark.parametrize("cap", range(1, CALLS))
@pytest.mark.sampled(2)
def test_a_cap_on_calls(run: Run, cap: int, calm: Mapping[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), {**CARTPOLE, "max_llm_calls": cap})
    with FakeOllama(player) as server:
        assert run(server, "--quiet") == 1
        said = capsys.readouterr().err
        assert f"max_llm_calls is reached: {cap} of {cap} calls are used; raise it to continue: " in one_line(said)
        assert len(server.chats) == cap
        # Under the same cap it stops at once, without a call.
        assert run(server, "--quiet", "--resume") == 1
        assert capsys.readouterr().err == said
        assert len(server.chats) == cap
        while go_on(run, server, said):
            said = capsys.readouterr().err
        assert len(server.chats) == CALLS
    assert_as_without_caps(calm)


def test_a_cap_that_is_enough_stops_nothing(run: Run, calm: Mapping[str, Any]) -> None:
    write_config(Path(), {**CARTPOLE, "max_llm_calls": CALLS, "max_wall_time_s": 1000})
    with FakeOllama(player) as server:
        assert run(server, "--quiet") == 0
    assert_as_without_caps(calm)


@pytest.mark.parametrize("key", ["max_tokens", "max_cost"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cap_on_tokens_or_money(
    run: Run, key: str, share: float, calm: Mapping[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = [calm["result.json"]["tokens"][role] for role in ("search", "critic")]
    prompt, completion = (sum(each[name] for each in tokens) for name in ("prompt_tokens", "completion_tokens"))
    whole = prompt + completion if key == "max_tokens" else (prompt * 2 + completion * 10) / 1e6
    cap = int(share * whole) if key == "max_tokens" else share * whole
    write_config(Path(), {**CARTPOLE, key: cap, "prices": PRICES})
    with FakeOllama(player) as server:
        assert run(server, "--quiet") == 1
        assert used_tokens(server) <= share * (prompt + completion) * 1.1
        if key == "max_tokens":
            assert 0 < used_tokens(server) <= cap
        if share > 0.9:
            assert used_tokens(server) > 0.5 * (prompt + completion)
        said = capsys.readouterr().err
        assert f"{key} is reached: " in one_line(said)
        assert "the next call may " in said
        asked = len(server.chats)
        assert run(server, "--quiet", "--resume") == 1
        assert len(server.chats) == asked
        capsys.readouterr()
        while go_on(run, server, said):
            said = capsys.readouterr().err
        assert len(server.chats) == CALLS
    assert_as_without_caps(calm)
    assert open_run(RUN).read_result()["cost"] == pytest.approx((prompt * 2 + completion * 10) / 1e6)


def test_a_cap_on_wall_time(run: Run, calm: Mapping[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    def slow(prompt: str) -> str:
        time.sleep(0.9)
        return player(prompt)

    write_config(Path(), {**CARTPOLE, "max_wall_time_s": 3.0})
    with FakeOllama(slow) as server:
        began = time.monotonic()
        assert run(server, "--quiet") == 1
        assert 1 <= len(server.chats) <= 3
        assert time.monotonic() - began < 20.0
        said = one_line(capsys.readouterr().err)
        assert "max_wall_time_s is reached: " in said
        assert "of 3 s have passed, and the next call may take " in said
        # The time of the first process counts in the second.
        asked = len(server.chats)
        assert run(server, "--quiet", "--resume") == 1
        assert len(server.chats) <= asked + 1
        capsys.readouterr()
    with FakeOllama(player) as server:
        assert run(server, "--quiet", "--resume", "--set", "max_wall_time_s=1000") == 0
    assert_as_without_caps(calm)


@pytest.mark.parametrize(("key", "value"), [("max_tokens", 10**9), ("max_cost", 1e9)])
def test_a_model_that_counts_nothing_ends_a_run_that_relies_on_it(
    run: Run, key: str, value: float, calm: Mapping[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def silent(prompt: str) -> Answer:
        return {"message": {"content": player(prompt)}, "eval_count": None, "prompt_eval_count": None}

    write_config(Path(), {**CARTPOLE, "prices": PRICES})
    with FakeOllama(silent) as server:
        assert run(server, "--quiet", "--set", f"{key}={value}") == 1
        said = capsys.readouterr().err
        assert f"{key} cannot be enforced: the model's replies do not say how many tokens" in one_line(said)
        assert len(server.chats) == 1
        assert go_on(run, server, said) == 0
        assert len(server.chats) == CALLS
    assert trials(RUN)
    assert logged(RUN)["iterations.jsonl"] == calm["iterations.jsonl"]
    assert open_run(RUN).read_result()["cost"] is None


def test_a_cap_as_a_process_stops_with_one_line_that_can_be_followed(tmp_path: Path, calm: Mapping[str, Any]) -> None:
    folder = tmp_path / "my runs"
    write_config(folder, CARTPOLE)
    with FakeOllama(player) as server:
        stopped = run_main(folder, "--set", "max_llm_calls=5", "--seed", "1", server=server)
        assert stopped.returncode == 1
        assert len(server.chats) == 5
        assert "max_llm_calls=5" not in continuation(stopped.stderr)
        done = continue_run(folder, stopped.stderr, server)
        assert done.returncode == 0, done.stderr
        assert len(server.chats) == CALLS
    assert logged(folder / RUN)["iterations.jsonl"] == calm["iterations.jsonl"]


# ---- Accounting on screen and in the log ----


def test_accounts_are_shown_and_logged(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), {**CARTPOLE, "prices": PRICES, "llm_max_wait_s": 10})
    with FakeOllama(lambda prompt: player(prompt)) as server:
        server.inject(status(503, headers={"Retry-After": "0"}))
        assert run(server) == 0
    out = " ".join(capsys.readouterr().out.split())
    result = open_run(RUN).read_result()
    cost = result["cost"]
    assert cost == pytest.approx(sum(result["accounting"][role]["cost"] for role in ("search", "critic")))
    assert result["accounting"]["search"] == {
        "attempts": 5,
        "failures": 1,
        "replies": 4,
        "refused": 0,
        "cost": result["accounting"]["search"]["cost"],
    }
    assert result["accounting"]["critic"]["attempts"] == 4
    assert set(result["times"]["latency_s"]) == {"search", "critic"}
    assert "search 5 attempts, 1 failed; 4 replies, 0 unusable, in 0:00:0" in out
    tokens = result["tokens"]["critic"]
    assert f"critic tokens {tokens['prompt_tokens']:,} in (cached unknown), {tokens['completion_tokens']:,} out" in out
    assert f" cost {cost:.6g} (critic " in out
    assert f" cost {cost:.6g} episodes " in out  # the last iteration's line


def test_without_prices_money_is_unknown(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), NIM)
    with FakeOllama(player) as server:
        assert run(server) == 0
    out = capsys.readouterr().out
    assert " ".join(out.split()).count(" cost unknown ") == 1
    assert open_run(RUN).read_result()["cost"] is None


def test_prices_may_be_set_later_and_count_all_calls(run: Run) -> None:
    write_config(Path(), {**CARTPOLE, "max_llm_calls": 3})
    with FakeOllama(player) as server:
        assert run(server, "--quiet") == 1
        later = ("max_llm_calls=null", "prices.input=2", "prices.output=10")
        assert run(server, "--quiet", "--resume", "--set", *later) == 0
        tokens = [open_run(RUN).read_result()["tokens"][role] for role in ("search", "critic")]
    whole = sum(each["prompt_tokens"] * 2 + each["completion_tokens"] * 10 for each in tokens) / 1e6
    assert open_run(RUN).read_result()["cost"] == pytest.approx(whole)


BAD: dict[str, tuple[Mapping[str, Any], str]] = {
    "no prices": ({"max_cost": 1}, "max_cost is 1; it needs prices.input and prices.output"),
    "no output price": ({"prices": {"input": 1}}, "key 'prices.output' is missing"),
    "unknown price": ({"prices": {**PRICES, "inptu": 1}}, "unknown key 'prices.inptu' (did you mean 'prices.input'?)"),
    "negative price": ({"prices": {"input": -1, "output": 1}}, "prices.input is -1"),
    "no section": ({"prices": 3}, "prices is 3"),
    "no calls": ({"max_llm_calls": 0}, "max_llm_calls is 0"),
    "true calls": ({"max_llm_calls": True}, "max_llm_calls is True"),
    "no money": ({"max_cost": 0, "prices": PRICES}, "max_cost is 0"),
    "endless": ({"max_wall_time_s": float("inf")}, "max_wall_time_s is inf"),
}


@pytest.mark.parametrize(("values", "expected"), BAD.values(), ids=BAD)
def test_impossible_caps_and_prices_are_refused(
    run: Run, values: Mapping[str, Any], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(Path(), {**NIM, **values})
    with FakeOllama(player) as server:
        assert run(server) == 2
        assert server.requests == []
    assert expected in one_line(capsys.readouterr().err)
    assert not Path("logs").exists()
