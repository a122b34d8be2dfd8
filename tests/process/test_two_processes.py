"""Two processes at once never write to the same run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.llm.fake_ollama import FakeOllama
from tests.process.processes import (
    CARTPOLE,
    NIM,
    REPOSITORY,
    finish,
    logged,
    one_line,
    player,
    run_main,
    start_main,
    wait_until,
    write_config,
)


@contextmanager
def waiting_server() -> Iterator[tuple[FakeOllama, threading.Event]]:
    """Yield a server that answers only when it may."""
    may_answer = threading.Event()

    def reply(prompt: str) -> str:
        may_answer.wait()
        return player(prompt)

    with FakeOllama(reply) as server:
        try:
            yield server, may_answer
        finally:
            may_answer.set()


def test_started_together_they_get_runs_of_their_own(tmp_path: Path) -> None:
    write_config(tmp_path, CARTPOLE)
    with FakeOllama(player) as server:
        processes = [start_main(tmp_path, server=server) for _ in range(3)]
        assert [finish(process).returncode for process in processes] == [0, 0, 0]
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["run_1", "run_2", "run_3"]
    for number in (1, 2, 3):
        log = logged(tmp_path / f"logs/run_{number}")
        assert log["result.json"]["seed"] == number
        assert len(log["iterations.jsonl"]) == CARTPOLE["num_iterations"]


def test_a_run_that_is_being_run_cannot_be_resumed(tmp_path: Path) -> None:
    write_config(tmp_path, NIM)
    with waiting_server() as (server, may_answer):
        first = start_main(tmp_path, server=server)
        wait_until(lambda: bool(server.chats), first)
        before = logged(tmp_path / "logs/run_1")
        second = run_main(tmp_path, "--resume", "1", server=server)
        assert second.returncode == 2
        assert "is being run by another process" in one_line(second.stderr)
        assert logged(tmp_path / "logs/run_1") == before
        may_answer.set()
        assert finish(first).returncode == 0
        assert len(server.chats) == NIM["num_iterations"]


def test_where_locks_exclude_nobody_one_of_two_stops_and_the_log_stays_whole(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import fcntl\nfcntl.flock = lambda *_: None\n")
    path = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    write_config(tmp_path, NIM)
    with waiting_server() as (server, may_answer):
        first = start_main(tmp_path, server=server, **path)
        wait_until(lambda: bool(server.chats), first)
        second = start_main(tmp_path, "--resume", "1", server=server, **path)
        wait_until(lambda: len(server.chats) > 1, second)
        may_answer.set()
        ended = [finish(process) for process in (first, second)]
    codes = [process.returncode for process in ended]
    assert sorted(codes) == [0, 2], [process.stderr for process in ended]
    loser = ended[codes.index(2)]
    assert "logs/run_1 is being run by another process too" in one_line(loser.stderr)
    numbers = [record["iteration"] for record in logged(tmp_path / "logs/run_1")["iterations.jsonl"]]
    assert numbers == list(range(1, NIM["num_iterations"] + 1))
    assert "nothing to do" in run_main(tmp_path, "--resume", "1").stdout
