"""What ``--resume`` takes up, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from r2po.cli import main
from tests.process.processes import CARTPOLE, logged, records, write_config


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with three runs: 1 complete, 2 and 3 unfinished after two iterations."""
    write_config(tmp_path, {**CARTPOLE, "llm_model_name": "embedded/search"})
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        assert run("--quiet") == 0
    for number in (2, 3):
        unfinish(tmp_path / f"logs/run_{number}")
    return tmp_path


def run(*options: str) -> int:
    return main(["run", "--config", "config.yaml", *options])


def unfinish(run_directory: Path, left: int = 2) -> None:
    (run_directory / "result.json").unlink()
    lines = (run_directory / "iterations.jsonl").read_bytes().splitlines(keepends=True)
    (run_directory / "iterations.jsonl").write_bytes(b"".join(lines[:left]))


def is_complete(folder: Path, number: int) -> bool:
    return (folder / f"logs/run_{number}/result.json").exists()


def test_without_a_number_it_is_the_latest_unfinished_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--resume") == 0
    assert is_complete(folder, 3)
    assert not is_complete(folder, 2)
    assert "resumed after iteration 2 of 4" in capsys.readouterr().out
    assert run("--resume") == 0
    assert is_complete(folder, 2)
    assert run("--resume") == 2
    assert capsys.readouterr().err == (
        "error: cannot resume an unfinished run in logs: found run_1 (complete), run_2 (complete), run_3 (complete)\n"
    )
    assert not (folder / "logs/run_4").exists()


def test_with_a_number_it_is_that_run(folder: Path) -> None:
    assert run("--resume", "2") == 0
    assert is_complete(folder, 2)
    assert not is_complete(folder, 3)


def test_a_config_can_say_which_run(folder: Path) -> None:
    write_config(folder, {**CARTPOLE, "llm_model_name": "embedded/search", "resume_run": 2})
    assert run() == 0
    assert is_complete(folder, 2)
    assert not (folder / "logs/run_4").exists()


def test_a_complete_run_stays_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = logged(folder / "logs/run_1")
    assert run("--resume", "1") == 0
    said = capsys.readouterr().out
    assert "logs/run_1 is complete; nothing to do" in said
    assert "held-out" in said
    assert logged(folder / "logs/run_1") == before


def test_a_run_that_is_not_there_is_named_with_those_that_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--resume", "9") == 2
    error = capsys.readouterr().err
    assert error == "error: cannot resume run_9 in logs: found run_1 (complete), run_2, run_3\n"


def test_a_new_start_names_the_unfinished_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert "unfinished in logs: run_2, run_3; --resume N continues one" in capsys.readouterr().out
    assert is_complete(folder, 4)


def test_a_changed_config_is_refused_with_the_keys_that_differ(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = logged(folder / "logs/run_2")
    assert run("--resume", "2", "--set", "num_iterations=9", "optimum=1") == 2
    error = capsys.readouterr().err
    assert "num_iterations was 4, is 9" in error
    assert "optimum was 500.0, is 1.0" in error
    assert "method" not in error
    assert run("--resume", "2", "--seed", "5") == 2
    assert "seed was 2, is 5" in capsys.readouterr().err
    assert logged(folder / "logs/run_2") == before


def test_keys_that_change_nothing_in_a_run_may_differ(folder: Path) -> None:
    shutil.move(folder / "logs", folder / "moved")
    limits = ("llm_timeout_s=5", "llm_idle_timeout_s=3", "llm_max_attempts=2", "llm_max_wait_s=1")
    neutral = ("logdir=moved", "llm_streaming=false", *limits)
    assert run("--resume", "2", "--seed", "2", "--set", *neutral) == 0
    assert (folder / "moved/run_2/result.json").exists()


def test_a_resumed_run_ends_as_the_others_do(folder: Path) -> None:
    """Nothing is asked again: all replies were on record."""
    complete = logged(folder / "logs/run_1")
    unfinish(folder / "logs/run_1")
    requests = len(records(folder / "logs/run_1/llm_calls.jsonl"))
    assert run("--resume", "1", "--quiet") == 0
    assert logged(folder / "logs/run_1") == complete
    assert len(records(folder / "logs/run_1/llm_calls.jsonl")) == requests
