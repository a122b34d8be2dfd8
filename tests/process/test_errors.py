"""What a person reads when something is wrong: one clear line, the right exit code, and no litter."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.llm.fake_ollama import FakeOllama, status
from tests.process.processes import CARTPOLE, NIM, continue_run, one_line, player, run_main, trials, write_config


def everything_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


BAD_CONFIGS: dict[str, tuple[Mapping[str, Any], str]] = {
    "unknown key": ({"num_iteration": 3}, "unknown key 'num_iteration' (did you mean 'num_iterations'?)"),
    "wrong type": ({"num_iterations": "many"}, "num_iterations is 'many'"),
    "unknown environment": ({"gym_env_name": "CartPool-v1"}, "did you mean 'CartPole-v1'?"),
    "unknown method": ({"method": "r2p"}, "unknown method 'r2p' (did you mean 'r2po'?)"),
    "unknown model": ({"llm_model_name": "ollama/tinny"}, "no model 'tinny' (did you mean 'tiny:latest'?)"),
    "unknown stand-in": ({"llm_model_name": "embedded/serch"}, "did you mean 'embedded/search'?"),
    "no key": ({"llm_model_name": "claude-x"}, "ANTHROPIC_API_KEY is not set"),
    "wrong policy": ({"policy": "tabular"}, "policy 'tabular' needs numbered states"),
    "wrong environment argument": ({"env_kwargs": {"gravity_": 1}}, "'gravity_'"),
}


@pytest.mark.parametrize(("values", "expected"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_bad_config_costs_one_line_and_leaves_nothing(
    tmp_path: Path, values: Mapping[str, Any], expected: str
) -> None:
    write_config(tmp_path, {**CARTPOLE, "logdir": "new/deep/logs", **values})
    before = everything_in(tmp_path)
    with FakeOllama(player) as server:
        refused = run_main(tmp_path, server=server)
        assert server.chats == []
    assert refused.returncode == 2
    assert expected in one_line(refused.stderr)
    assert refused.stdout == ""
    assert everything_in(tmp_path) == before


BAD_OPTIONS: dict[str, tuple[list[str], str]] = {
    "no such config": (["--config", "confg.yaml"], "no config file 'confg.yaml' (did you mean 'config.yaml'?)"),
    "config is a folder": (["--config", "."], "cannot read config '.'"),
    "no config": (["--config"], "expected at least one argument"),
    "negative seed": (["--seed", "-1"], "'-1' is not a whole number of at least 0"),
    "run zero": (["--resume", "0"], "'0' is not a whole number of at least 1"),
    "no run to resume": (["--resume"], "cannot resume an unfinished run in new/logs: found no runs"),
    "no such run": (["--resume", "4"], "cannot resume run_4 in new/logs: found no runs"),
    "override without value": (["--set", "seed"], "--set 'seed': expected key=value"),
    "unknown protocol": (["--protocol", "strict"], "protocol is 'strict'"),
    "logdir below a file": (["--set", "logdir=config.yaml/logs"], "cannot make a run directory"),
}


@pytest.mark.parametrize(("options", "expected"), BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_a_bad_option_costs_one_line_and_leaves_nothing(tmp_path: Path, options: list[str], expected: str) -> None:
    write_config(tmp_path, {**CARTPOLE, "logdir": "new/logs", "llm_model_name": "embedded/search"})
    before = everything_in(tmp_path)
    refused = run_main(tmp_path, *options)
    assert refused.returncode == 2
    assert expected in one_line(refused.stderr)
    assert refused.stdout == ""
    assert everything_in(tmp_path) == before


def wrong_key(server: FakeOllama) -> dict[str, str]:
    return {"OLLAMA_API_KEY": "not-the-key"}


def no_key(server: FakeOllama) -> dict[str, str]:
    return {"OLLAMA_API_KEY": ""}


def nobody_there(server: FakeOllama) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return {"OLLAMA_BASE_URL": f"http://127.0.0.1:{free.getsockname()[1]}"}


def bad_address(server: FakeOllama) -> dict[str, str]:
    return {"OLLAMA_BASE_URL": "localhost:11434"}


def refuses_the_first_call(server: FakeOllama) -> dict[str, str]:
    server.inject(status(400, {"error": "no think"}))
    return {}


def knows_no_such_model_after_all(server: FakeOllama) -> dict[str, str]:
    server.inject(status(404, {"error": "model not found"}))
    return {}


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (wrong_key, "check OLLAMA_API_KEY"),
        (no_key, "set OLLAMA_API_KEY"),
        (nobody_there, "connection refused"),
        (bad_address, "OLLAMA_BASE_URL"),
        (refuses_the_first_call, "no think"),
        (knows_no_such_model_after_all, "model not found"),
    ],
)
def test_a_failing_first_contact_costs_one_line_and_leaves_nothing(
    tmp_path: Path, prepare: Callable[[FakeOllama], dict[str, str]], expected: str
) -> None:
    write_config(tmp_path, {**CARTPOLE, "logdir": "new/deep/logs"})
    before = everything_in(tmp_path)
    with FakeOllama(player, key="the-right-key") as server:
        refused = run_main(tmp_path, "--quiet", server=server, **prepare(server))
    assert refused.returncode == 2
    assert expected in one_line(refused.stderr)
    assert "key" not in refused.stderr.replace("OLLAMA_API_KEY", "").replace("valid key", "")
    assert everything_in(tmp_path) == before


def test_a_log_directory_that_was_there_stays(tmp_path: Path) -> None:
    write_config(tmp_path, {**CARTPOLE, "logdir": "there/logs"})
    (tmp_path / "there/logs").mkdir(parents=True)
    before = everything_in(tmp_path)
    with FakeOllama(player) as server:
        server.inject(status(400, {"error": "no think"}))
        assert run_main(tmp_path, server=server).returncode == 2
    assert everything_in(tmp_path) == before


def test_an_unreadable_env_file_costs_one_line(tmp_path: Path) -> None:
    write_config(tmp_path, {**CARTPOLE, "llm_model_name": "embedded/search"})
    (tmp_path / ".env").write_bytes(b"OLLAMA_API_KEY=caf\xe9-sesame\n")
    refused = run_main(tmp_path)
    assert refused.returncode == 2
    assert ".env" in one_line(refused.stderr)
    assert "sesame" not in refused.stderr
    assert not (tmp_path / "logs").exists()


def test_a_model_that_fails_in_the_middle_stops_a_run_that_can_be_continued(tmp_path: Path) -> None:
    write_config(tmp_path / "calm", CARTPOLE)
    # A name that a shell would take apart.
    folder = tmp_path / "my runs"
    write_config(folder, CARTPOLE)
    options = ["--set", "optimum=400", "logdir=my $logs", "--seed", "5", "--protocol", "controlled"]
    with FakeOllama(player) as server:
        assert run_main(tmp_path / "calm", *options, server=server).returncode == 0
    asked: list[str] = []

    def fails_at_the_fourth(prompt: str) -> str:
        asked.append(prompt)
        assert len(asked) != 4, "out of memory"
        return player(prompt)

    with FakeOllama(fails_at_the_fourth) as server:
        stopped = run_main(folder, *options, server=server)
        assert stopped.returncode == 1
        assert "out of memory" in one_line(stopped.stderr)
        assert len(server.chats) == 4
        done = continue_run(folder, stopped.stderr, server)
        assert done.returncode == 0, done.stderr
        assert "resumed after iteration 1 of 4" in done.stdout
        assert len(server.chats) == 2 * CARTPOLE["num_iterations"] + 1
    assert trials(folder / "my $logs/run_1") == trials(tmp_path / "calm/my $logs/run_1")


def test_a_server_that_stays_away_stops_the_run_after_bounded_attempts(tmp_path: Path) -> None:
    write_config(tmp_path, {**NIM, "llm_max_attempts": 2})
    with FakeOllama(player) as server:
        server.always(status(500))
        stopped = run_main(tmp_path, server=server)
        assert stopped.returncode == 1
        assert "HTTP 500 (2 attempts)" in one_line(stopped.stderr)
        assert "next attempt in" in stopped.stdout
        assert len(server.chats) == 2
    with FakeOllama(player) as server:
        done = continue_run(tmp_path, stopped.stderr, server)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_passing_failures_are_retried_and_change_no_trial(tmp_path: Path) -> None:
    write_config(tmp_path / "calm", NIM)
    write_config(tmp_path / "stormy", NIM)
    with FakeOllama(player) as server:
        assert run_main(tmp_path / "calm", server=server).returncode == 0
    with FakeOllama(player) as server:
        server.inject(status(500), status(502, b"<html>bad gateway</html>"))
        done = run_main(tmp_path / "stormy", server=server)
    assert done.returncode == 0, done.stderr
    assert trials(tmp_path / "stormy/logs/run_1") == trials(tmp_path / "calm/logs/run_1")
    assert "2 failed attempts" in done.stdout


def test_a_full_output_encoding_is_not_needed(tmp_path: Path) -> None:
    write_config(tmp_path, {**NIM, "llm_model_name": "embedded/search"})
    done = run_main(tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "held-out" in done.stdout
