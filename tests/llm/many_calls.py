"""Many threads that ask through one client; as a program, through a real provider, to be killed while it asks."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from r2po.llm.client import Client, Model
from r2po.llm.registry import provider_for
from r2po.llm.store import CallStore
from r2po.llm.types import SEARCH, ProviderSettings, Question

THREADS = 10
EACH = 30


def question(thread: int, number: int) -> Question:
    """Return a question whose prompt is like no other, and long enough to share its beginning with others."""
    return Question(1, f"role {thread % 2}", 0, 1, f"{'The same old story. ' * 20}{thread}, {number}")


def in_threads(work: Callable[[int], object], threads: int = THREADS) -> list[Exception]:
    """Call a function in many threads at once, with the number of each; return what it raised."""
    raised: list[Exception] = []
    start = threading.Barrier(threads)

    def run(number: int) -> None:
        start.wait()
        try:
            work(number)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            raised.append(error)

    started = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return raised


def ask_all(client: Client) -> list[Exception]:
    """Ask ``EACH`` questions in each of ``THREADS`` threads."""

    def ask(thread: int) -> None:
        for number in range(EACH):
            asked = question(thread, number)
            assert client.ask(asked, str).value == f"reply to {asked.prompt}"

    return in_threads(ask)


if __name__ == "__main__":
    provider = provider_for("ollama/tiny", ProviderSettings(os.environ, 30.0))
    store = CallStore(Path(sys.argv[1]))
    sys.exit(len(ask_all(Client({SEARCH: Model(provider, "tiny", {})}, store, max_attempts=1, max_wait_s=0.0))))
