"""A run that stops: what is under way in other threads ends too, and leaves no trace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from r2po.llm.client import Client
from r2po.llm.types import AttemptFailed
from r2po.runlog.events import FILE
from r2po.runlog.jsonl import iterate_lines
from tests.builders import open_client
from tests.llm.failures import QUESTION
from tests.llm.fake_servers import SERVERS, FakeOllama
from tests.llm.fake_servers.core import hang_up
from tests.llm.providers.test_streaming import FORMATS, endless, provider
from tests.scripted import make_request

AT_ONCE = 2


@contextmanager
def asking(client: Client, under_way: Callable[[], bool]) -> Iterator[list[BaseException]]:
    """Ask in threads until the block ends; it begins when so much is under way. Give what the threads end with."""
    ends: list[BaseException] = []

    def ask(sample: int) -> None:
        try:
            client.ask(replace(QUESTION, sample=sample), str)
        except BaseException as end:  # noqa: BLE001 - it is what the test looks at
            ends.append(end)

    threads = [threading.Thread(target=ask, args=(sample,)) for sample in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    wait_for(under_way)
    yield ends
    for thread in threads:
        thread.join(timeout=10)


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not what() and time.monotonic() < until:
        time.sleep(0.01)


@pytest.mark.parametrize("name", FORMATS)
def test_servers_notice_within_a_second_that_a_run_has_stopped(name: str, tmp_path: Path) -> None:
    noticed: list[float] = []
    coming: list[int] = []
    with SERVERS[name]() as server:
        server.always(endless(noticed))
        with open_client(provider(server), tmp_path, name="some model", on_progress=coming.append) as client:
            with asking(client, lambda: bool(coming) and len(server.chats) == AT_ONCE) as ends:
                began = time.monotonic()
                client.close()
                wait_for(lambda: len(noticed) == AT_ONCE)
            assert [each - began < 1 for each in noticed] == [True] * AT_ONCE
            assert [type(end) for end in ends] == [AttemptFailed] * AT_ONCE
        assert len(server.chats) == AT_ONCE  # none was asked for again
    # As after a kill: what was interrupted is asked for again when the run goes on.
    assert [event["event"] for event in iterate_lines(tmp_path / FILE)] == ["request"] * AT_ONCE


def test_what_waits_for_its_next_attempt_makes_none(tmp_path: Path) -> None:
    closed = threading.Event()
    waiting: list[float] = []

    def sleep(wait_s: float) -> None:
        waiting.append(wait_s)
        closed.wait(10)

    with FakeOllama() as server:
        server.always(hang_up())
        with open_client(provider(server), tmp_path, name="some model", sleep=sleep) as client:
            with asking(client, lambda: len(waiting) == AT_ONCE):
                client.close()
                closed.set()
            assert client.store.failures == AT_ONCE
        assert len(server.chats) == AT_ONCE


def test_nothing_is_sent_after_the_end() -> None:
    with FakeOllama() as server:
        made = provider(server)
        made.close()
        with pytest.raises(AttemptFailed, match="not sent, since the run was stopped") as failed:
            made.complete(make_request("hello"))
        assert not failed.value.retryable
        assert server.chats == []
