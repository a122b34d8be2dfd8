"""Real sweeps in batches, killed (-9) at the steps of the server: the same command ends as if nothing had been."""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.llm.fake_servers.batching import ANSWERED, BATCHING, EXPIRED, FAILED, Batching, BatchingOpenAI
from tests.process.processes import finish, player, wait_until, write_config
from tests.sweep.batching.killing import kill_at_step, wait_for_the_end
from tests.sweep.sweeping import SMALL, is_alive, results, start_sweep, workers

STEPS = {
    "OpenAI": ("list", "upload", "send", "look", "results"),
    "Anthropic": ("list", "send", "look", "results"),
    "Gemini": ("list", "send", "look", "results"),
}
OPTIONS = ("--seeds", "1-3", "--batch", "--batch-poll", "0.003")


def write(folder: Path, server: Batching, **changes: Any) -> None:
    values = {**SMALL, "llm_model_name": server.model, "num_iterations": 2, "method": "props", **changes}
    write_config(folder, values, "props.yaml")


def sweep(folder: Path, server: Batching, *options: str) -> subprocess.Popen[str]:
    return start_sweep(folder, "props.yaml", *OPTIONS, *options, server=server)


def _without_results(folder: Path) -> dict[str, Any]:
    """Return what runs wrote; their results count failed attempts and interrupted calls."""
    found = results(folder)
    for log in found.values():
        log.pop("result.json")
    return found


def killed(folder: Path, server: Batching, name: str, is_done: bool, count: int) -> None:
    """Start the sweep, let it be killed at a step, and wait until its workers have noticed."""
    process: list[subprocess.Popen[str]] = []
    kill_at_step(server, process, name, is_done=is_done, count=count)
    process.append(sweep(folder, server))
    below = wait_for_the_end(process[0])
    assert process[0].returncode == -signal.SIGKILL
    wait_until(lambda: not any(map(is_alive, below)))


def continued(folder: Path, server: Batching, *, may_be_sent: bool) -> None:
    """Continue the sweep; of a batch that may have been sent and cannot be found, say that it was not."""
    done = finish(sweep(folder, server))
    if may_be_sent:
        assert done.returncode != 0
        assert "may have been sent at" in done.stderr
        done = finish(sweep(folder, server, *re.findall(r"--resend-batch \S+", done.stderr)[0].split()))
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[dict[str, Any], int]]:
    """Returns the results of an undisturbed sweep at a provider, and how many answers it took."""

    @functools.cache
    def made(name: str) -> tuple[dict[str, Any], int]:
        folder = tmp_path_factory.mktemp("calm")
        with BATCHING[name](player) as server:
            write(folder, server)
            done = finish(sweep(folder, server))
            assert done.returncode == 0, done.stderr
            return _without_results(folder), len(server.prompts_answered)

    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "step", "is_done"),
    [(name, step, is_done) for name, steps in STEPS.items() for step in steps for is_done in (False, True)],
)
def test_a_kill_at_any_step_changes_nothing(
    tmp_path: Path, calm: Callable[[str], tuple[dict[str, Any], int]], name: str, step: str, is_done: bool
) -> None:
    """In the second batch of a sweep, whose first one had failures; nothing that was answered is asked again."""
    undisturbed, answers = calm(name)
    with BATCHING[name](player) as server:
        server.fate = lambda batch, place: (EXPIRED, FAILED, ANSWERED)[place] if batch == 1 else ANSWERED
        write(tmp_path, server)
        killed(tmp_path, server, step, is_done, 1 if (name, step) == ("OpenAI", "list") else 2)
        continued(tmp_path, server, may_be_sent=(step, is_done) == ("send", False))
        assert len(server.prompts_answered) == answers
    assert _without_results(tmp_path) == undisturbed


@pytest.mark.slow
def test_a_stopped_sweep_says_what_is_under_way_and_can_cancel_it(tmp_path: Path) -> None:
    """Ctrl-C while batches are waited for; that it says so is tested in ``test_clerk.py`` too."""
    with BatchingOpenAI(player) as server:
        write(tmp_path, server, num_iterations=1)
        server.looks_needed = 10_000
        second = sweep(tmp_path, server)
        wait_until(lambda: server.steps.count("look") > 1, second)
        began = time.monotonic()
        second.send_signal(signal.SIGINT)
        stopped = finish(second)
        assert time.monotonic() - began < 3.0
        assert stopped.returncode == 130
        assert stopped.stderr.startswith(
            f"stopped; 1 batch of 3 calls goes on at {server.url}: what continues the sweep"
        )
        assert "; to continue: python -m r2po sweep props.yaml --seeds 1-3 --batch" in stopped.stderr
        live = finish(start_sweep(tmp_path, "props.yaml", *OPTIONS[:2], server=server))
        assert live.returncode == 2
        assert "1 batch(es) of 3 calls are under way, or may be: add --batch" in live.stderr
        cancelled = finish(sweep(tmp_path, server, "--cancel-batches"))
        assert cancelled.returncode == 0, cancelled.stderr
        assert cancelled.stdout.endswith("of 3 calls (batch_1): the server is asked to cancel it\n")
        assert server.batches[0].is_cancelled
        server.looks_needed = 1
        continued(tmp_path, server, may_be_sent=False)
        assert [len(batch.requests) for batch in server.batches] == [3, 3]


@pytest.mark.slow
def test_a_killed_worker_asks_for_nothing_again(tmp_path: Path) -> None:
    """Its runs begin again in another one, and wait for the batch that their calls are in."""
    with BatchingOpenAI(player) as server:
        write(tmp_path, server)
        server.looks_needed = 10_000
        process = sweep(tmp_path, server)
        wait_until(lambda: server.steps.count("look") > 1, process)
        for worker in workers(process.pid):
            os.kill(worker, signal.SIGKILL)
        time.sleep(3.0)  # the runs begin again, and hand in the same calls
        server.looks_needed = 1
        done = finish(process)
        assert done.returncode == 0, done.stderr
        assert "a worker process ended (signal 9)" in done.stdout
        assert [len(batch.requests) for batch in server.batches] == [3, 3]
