"""Ten threads of one run ask at once: every call has its number, the log reads back, and no cap is exceeded."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from r2po.llm.accounting import Accounting, Prices, Terms
from r2po.llm.budget import Budget, CapReached
from r2po.llm.ledger import Caps
from r2po.llm.store import CallStore
from r2po.llm.types import AttemptFailed, Provider, Reply, Request
from r2po.llm.usage import Usage
from r2po.runlog.events import FILE
from r2po.runlog.jsonl import iterate_lines
from tests.builders import open_client
from tests.llm.fake_ollama import FakeOllama
from tests.llm.many_calls import EACH, THREADS, ask_all, in_threads, question
from tests.process.processes import environ, finish, start, wait_until

TOKENS = 250
"""Of each reply of ``Echo``, of its prompt and its 50 of completion: just what ``Budget`` comes to expect."""


class Echo(Provider):
    """Takes a moment to repeat the prompt, and counts how many calls were under way at most."""

    def __init__(self, *, fails: float = 0.0) -> None:
        self.calls = self.most = self._under_way = 0
        self._fails = fails
        self._random = random.Random(1)
        self._lock = threading.Lock()

    def complete(self, request: Request) -> Reply:
        with self._lock:
            self.calls += 1
            self._under_way += 1
            self.most = max(self.most, self._under_way)
            wait_s, fails = self._random.uniform(0.0, 0.003), self._random.random() < self._fails
        time.sleep(wait_s)
        with self._lock:
            self._under_way -= 1
        if fails:
            raise AttemptFailed("busy", retryable=True)
        return Reply(f"reply to {request.prompt}", usage=Usage(TOKENS - 50, 0, 50))


@pytest.fixture(autouse=True)
def _switches_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_every_call_has_its_number_and_the_log_reads_back(tmp_path: Path) -> None:
    told: list[str] = []
    with open_client(Echo(fails=0.1), tmp_path, on_ask=told.append, max_attempts=50) as client:
        assert ask_all(client) == []
    requests = [event for event in iterate_lines(tmp_path / FILE) if event["event"] == "request"]
    assert [event["call"] for event in requests] == list(range(1, THREADS * EACH + 1))
    assert len(told) == THREADS * EACH
    again = CallStore(tmp_path)  # checks the hash of every prompt
    assert len(again.replies) == THREADS * EACH
    assert (again.failures, again.lost) == (client.store.failures, 0)
    again.close()
    silent = Echo()
    with open_client(silent, tmp_path) as client:
        assert ask_all(client) == []
    assert silent.calls == 0


PRICES = Prices(input=1.0, output=2.0)
COST = (TOKENS + 50) / 1e6


@pytest.mark.parametrize(
    ("caps", "expected"),
    [
        ({"max_llm_calls": 57}, 57),
        ({"max_tokens": 57 * TOKENS + TOKENS - 1}, 57),
        ({"max_cost": 57.5 * COST}, 57),
    ],
    ids=["calls", "tokens", "cost"],
)
def test_calls_under_way_together_do_not_exceed_a_cap(tmp_path: Path, caps: dict[str, Any], expected: int) -> None:
    """Every call takes just what is expected of it: all that fit are made, and not one more."""
    provider = Echo(fails=0.2)
    with open_client(provider, tmp_path, max_attempts=50) as client:
        accounting = Accounting(client.store, lambda _: Terms(PRICES, 50))
        client.budget = Budget(Caps(**caps), accounting)
        for role in (0, 1):  # one reply each teaches it what prompts take
            client.ask(question(role, 99), str)
        raised = in_threads(lambda thread: [client.ask(question(thread, each), str) for each in range(EACH)])
        assert [type(error) for error in raised] == [CapReached] * THREADS
        assert all(str(error).startswith(f"{next(iter(caps))} is reached: ") for error in raised)
        total = accounting.total
    assert total.replies == expected
    assert provider.most > 1


def test_the_last_calls_that_fit_are_not_refused_but_wait(tmp_path: Path) -> None:
    """Of ten calls that may take too much together, each is made if those before it took less."""
    with open_client(Echo(), tmp_path) as client:
        client.budget = Budget(
            Caps(max_tokens=10 * TOKENS + 1000), Accounting(client.store, lambda _: Terms(None, 1000))
        )
        assert in_threads(lambda thread: client.ask(question(thread, 0), str)) == []
        assert len(client.store.replies) == THREADS


def test_a_kill_with_ten_calls_under_way_loses_no_reply(tmp_path: Path) -> None:
    def slowly(prompt: str) -> str:
        time.sleep(0.01)
        return f"reply to {prompt}"

    command = [sys.executable, "-m", "tests.llm.many_calls", str(tmp_path)]
    kills = 3
    recorded: set[str] = set()
    with FakeOllama(slowly) as server:
        for _ in range(kills):
            enough = len(server.chats) + 60
            process = start(tmp_path, command, environ(server))
            wait_until(lambda enough=enough: len(server.chats) >= enough, process)  # type: ignore[misc]
            process.kill()
            process.communicate()
            assert process.returncode == -signal.SIGKILL
            recorded = check_log(tmp_path, recorded)
        done = finish(start(tmp_path, command, environ(server)))
        assert done.returncode == 0, done.stderr
        assert THREADS * EACH < len(server.chats) <= THREADS * (EACH + kills)
    assert len(check_log(tmp_path, recorded)) == THREADS * EACH


def check_log(folder: Path, recorded: set[str]) -> set[str]:
    """Make sure that the log reads back and that nothing was asked that had a reply; return what has one now."""
    store = CallStore(folder)
    replies = [reply.key for reply in store.replies]
    assert recorded <= set(replies)
    assert len(replies) == len(set(replies))
    answered = Counter(event["call"] for event in iterate_lines(folder / FILE) if event["event"] == "reply")
    assert set(answered.values()) == {1}
    assert len(answered) == len(replies)  # no key has two replies: none was asked for again
    assert store.lost <= 3 * THREADS
    store.close()
    return set(replies)
