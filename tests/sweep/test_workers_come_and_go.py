"""Workers that are killed and started at random finish a sweep as one that nobody disturbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.llm.fake_ollama import FakeOllama
from tests.process.processes import finish, player
from tests.sweep.sweeping import results, run_sweep, start_sweep, write_experiments
from tests.sweep.test_workers import no_reply_was_asked_for_again, without_locks

WORKERS = 3
JOBS = 3


@pytest.mark.slow
def test_sixty_runs_by_three_workers_that_are_killed_for_three_minutes(tmp_path: Path) -> None:
    disturb(tmp_path, runs=30, seconds=180.0, answer_s=0.7, iterations=30)


@pytest.mark.slow
def test_the_same_where_locks_keep_nobody_out(tmp_path: Path) -> None:
    disturb(tmp_path, runs=6, seconds=30.0, answer_s=0.3, iterations=15, **without_locks(tmp_path))


def disturb(folder: Path, *, runs: int, seconds: float, answer_s: float, iterations: int, **env: str) -> None:
    """Kill one of the workers every few seconds for a while, and start another; then let them finish."""
    rng = random.Random(0)

    def slow(prompt: str) -> str:
        time.sleep(answer_s)
        return player(prompt)

    command = ["--runs", str(runs)]
    files = write_experiments(folder / "calm", num_iterations=iterations)
    with FakeOllama(player) as server:
        assert run_sweep(folder / "calm", *files, *command, server=server).returncode == 0
        calls = len(server.chats)
    write_experiments(folder / "disturbed", num_iterations=iterations)
    with FakeOllama(slow) as server:

        def worker() -> subprocess.Popen[str]:
            options = [*command, "--worker", "--jobs", str(JOBS)]
            return start_sweep(folder / "disturbed", *files, *options, server=server, **env)

        crowd, kills, until = [worker() for _ in range(WORKERS)], 0, time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(rng.uniform(2.0, 8.0))
            victim = crowd.pop(rng.randrange(WORKERS))
            if victim.poll() is None:
                os.kill(victim.pid, signal.SIGKILL)
                kills += 1
            victim.communicate()
            crowd.append(worker())
        for process in crowd:
            done = finish(process, patience_s=900.0)
            assert done.returncode == 0, done.stderr
        assert kills > seconds / 15
        assert calls <= len(server.chats) <= calls + kills * JOBS
    assert results(folder / "disturbed") == results(folder / "calm")
    assert len(results(folder / "disturbed")) == 2 * runs
    assert no_reply_was_asked_for_again(folder / "disturbed")
