"""A run on a bad day: one attempt in five fails, in every way that is worth another attempt, and no trial changes."""

from __future__ import annotations

import random
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from r2po.config import resolve
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.llm.client import Client
from r2po.llm.outage import OUT
from r2po.llm.providers.ollama import Ollama
from r2po.llm.types import Reply, Request
from r2po.runlog.records import Result
from tests.llm.fake_ollama import FakeOllama, Fault, hang_up, reset, stall, status, truncated
from tests.process.processes import (
    CARTPOLE,
    continue_run,
    finish,
    one_line,
    player,
    run_main,
    start_main,
    trials,
    wait_until,
    write_config,
)

SHARE = 0.2
LIMIT_S = 2.0
TIMEOUT_S = 0.5
VALUES: Mapping[str, Any] = {**CARTPOLE, "num_iterations": 12}
CALLS = 2 * VALUES["num_iterations"]


def in_a_moment() -> str:
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=30), usegmt=True)


FAULTS: Mapping[str, Callable[[], Fault]] = {
    "429": lambda: status(429, {"error": "slow down"}),
    "429, seconds": lambda: status(429, headers={"Retry-After": "7"}),
    "429, date": lambda: status(429, headers={"Retry-After": in_a_moment()}),
    **{str(code): partial(status, code) for code in (500, 502, 503, 504, 529)},
    "reset": reset,
    "hung up": hang_up,
    "timeout": stall,
    "timeout in the body": partial(stall, after_headers=True),
    "truncated": truncated,
    "not JSON": lambda: status(200, b"<html>a proxy's welcome page</html>"),
    "no text": lambda: status(200, {"done": True}),
    "empty text": lambda: status(200, {"message": {"content": " \n"}, "done_reason": "stop"}),
}


class BadDay(FakeOllama):
    """Meets one request in five with a fault."""

    def __init__(self, kinds: list[str]) -> None:
        super().__init__(player)
        self.injected: list[str] = []
        self._kinds = kinds
        self._rng = random.Random(",".join(kinds))

    def fault_for(self, path: str) -> Fault | None:
        if path != "/api/chat" or self._rng.random() >= SHARE:
            return None
        kind = self._kinds[len(self.injected) % len(self._kinds)]
        self.injected.append(kind)
        return FAULTS[kind]()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, which are only noted; those in outages, two such faults in a row, are short."""
    waits: list[float] = []
    monkeypatch.setattr("r2po.llm.outage.FIRST_INTERVAL_S", 0.01)
    monkeypatch.setattr("r2po.experiment.prepare.Client", partial(Client, sleep=waits.append))
    return waits


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The trials of a run without faults."""
    logdir = tmp_path_factory.mktemp("calm") / "logs"
    with FakeOllama(player) as server:
        launch(resolve({**VALUES, "logdir": str(logdir)}, "test"), None, server.environ, Observer())
    return trials(logdir / "run_1")


def run_on_a_bad_day(folder: Path, server: BadDay, environ: Mapping[str, str] | None = None) -> Result:
    values = {**VALUES, "logdir": str(folder), "llm_timeout_s": TIMEOUT_S}
    return launch(resolve(values, "test"), None, environ or server.environ, Observer())


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.sampled(4)
def test_faults_of_one_kind_change_no_trial(tmp_path: Path, kind: str, calm: list[Any], waits: list[float]) -> None:
    with BadDay([kind]) as server:
        result = run_on_a_bad_day(tmp_path, server)
        assert len(server.injected) >= 2
        assert len(server.chats) == CALLS + len(server.injected)
    assert trials(tmp_path / "run_1") == calm
    assert result["failed_attempts"] == len(server.injected)
    assert len(waits) == len(server.injected) or kind in map(str, OUT)  # an outage is waited out at the gate
    assert result["llm_calls"] == CALLS
    if "," in kind:
        assert min(waits) >= (7 if "seconds" in kind else 25)


def test_faults_of_all_kinds_change_no_trial(tmp_path: Path, calm: list[Any], waits: list[float]) -> None:
    unseen = list(FAULTS)
    for day in range(len(FAULTS)):
        with BadDay(unseen) as server:
            run_on_a_bad_day(tmp_path / str(day), server)
            assert server.injected
        assert trials(tmp_path / str(day) / "run_1") == calm
        unseen = [kind for kind in unseen if kind not in server.injected]
        if not unseen:
            return
    raise AssertionError(f"never injected: {unseen}")


@pytest.fixture
def closed_port() -> Iterator[str]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: whoever connects is refused
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


def test_refused_connections_change_no_trial(
    tmp_path: Path, calm: list[Any], waits: list[float], closed_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, complete = random.Random(1), Ollama.complete

    def sometimes_gone(self: Ollama, request: Request) -> Reply:
        transport = self._transport
        address = transport.base_url
        transport.base_url = closed_port if rng.random() < SHARE else address
        try:
            return complete(self, request)
        finally:
            transport.base_url = address

    monkeypatch.setattr(Ollama, "complete", sometimes_gone)
    with FakeOllama(player) as server:
        values = {**VALUES, "logdir": str(tmp_path)}
        result = launch(resolve(values, "test"), None, server.environ, Observer())
        assert len(server.chats) == CALLS
    assert trials(tmp_path / "run_1") == calm
    assert result["failed_attempts"] >= len(waits) >= 2  # two in a row are an outage, which is waited out at the gate


# ---- Stopping while it waits for another attempt ----


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.sampled(2)
def test_a_stop_during_back_off_is_prompt_and_says_how_to_go_on(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    write_config(tmp_path / "calm", CARTPOLE)
    write_config(tmp_path, CARTPOLE)
    with FakeOllama(player) as server:
        assert run_main(tmp_path / "calm", server=server).returncode == 0
        calls = len(server.chats)
    log = tmp_path / "logs/run_1/llm_calls.jsonl"
    with FakeOllama(player) as server:
        server.always(status(503, headers={"Retry-After": "100"}))
        process = start_main(tmp_path, "--quiet", server=server)
        wait_until(lambda: log.exists() and b'"failure"' in log.read_bytes(), process)
        time.sleep(0.1)
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(number)
        stopped = finish(process)
        assert time.monotonic() - began < LIMIT_S
    assert (stopped.returncode, stopped.stdout) == (code, "")
    assert one_line(stopped.stderr).startswith("stopped; to continue: ")
    with FakeOllama(player) as server:
        done = continue_run(tmp_path, stopped.stderr, server)
        assert done.returncode == 0, done.stderr
        assert len(server.chats) == calls
    assert trials(tmp_path / "logs/run_1") == trials(tmp_path / "calm/logs/run_1")
