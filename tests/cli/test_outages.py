"""``--max-outage``: how it is read, and what it does to a single run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from r2po.cli import main
from r2po.cli.starting import duration, in_option
from r2po.cli.sweep import add_options
from r2po.cli.sweep_again import command_to_continue
from tests.llm.fake_ollama import FakeOllama, status
from tests.process.processes import NIM, player, write_config


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30.0), ("1.5min", 90.0), ("24h", 86_400.0), ("2d", 172_800.0), ("10 min", 600.0), ("0", 0.0), ("0s", 0.0)],
)
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == seconds
    assert duration(in_option(seconds)) == seconds


@given(st.floats(0.0, allow_infinity=False))
@example(14 * 86_400.0)
@example(1_000_001.5)
def test_each_duration_is_written_as_it_is_read(seconds: float) -> None:
    assert duration(in_option(seconds)) == seconds


def test_a_duration_that_no_number_holds_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="too long"):
        duration("9" * 400 + "s")


@pytest.mark.parametrize("text", ["", "10", "-1s", "1 week", "1h30min", "inf", "nans"])
def test_what_is_no_duration_is_one_line(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected one like 30s, 10min, 24h or 2d, or 0"):
        duration(text)


def test_the_command_that_continues_a_sweep_keeps_it() -> None:
    parser = argparse.ArgumentParser(prog="r2po sweep")
    add_options(parser)
    options = parser.parse_args([*(f"{name}.yaml" for name in "abcd"), "--max-outage", "2d"])
    assert command_to_continue(options, Path("logs/mine")).endswith("logs/mine --max-outage 172800s")


def test_a_single_run_stops_after_an_outage_that_takes_too_long_and_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path, {**NIM, "num_iterations": 2, "llm_max_attempts": 2})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("r2po.llm.patience.FIRST_WAIT_S", 0.01)
    command = ["run", "--config", "config.yaml", "--max-outage", "0.3s"]
    with FakeOllama(player) as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        answer: Any = lambda handler: handler._answer(server.requests[-1].body)  # noqa: E731
        server.inject(answer)
        server.always(status(503))
        assert main(command) == 1
        said = capsys.readouterr()
        assert f"{server.url}: no answer since " in said.out
        assert "error: no answer for 0.3 s, and --max-outage allows no longer: " in said.err
        assert said.err.endswith("r2po run --config config.yaml --max-outage 0.3s --resume 1\n")
        asked = len(server.chats)
        server.recover()
        assert main([*command, "--resume", "1"]) == 0
        assert len(server.chats) == asked + 1
