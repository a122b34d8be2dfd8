"""A single run at a server that is out: real calls, over real HTTP, at a server that dies and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from r2po.llm.budget import Budget, CapReached
from r2po.llm.client import CallFailed, Client
from r2po.llm.ledger import Caps
from r2po.llm.outage import OutageTooLong
from r2po.llm.outage_gate import OutageGate
from r2po.llm.providers.ollama import Ollama
from r2po.llm.types import SEARCH, AttemptFailed, ProviderSettings, Question
from r2po.runlog.events import Failed, GaveUp, read_events
from tests.builders import open_client
from tests.llm.fake_ollama import FakeOllama, status

pytestmark = pytest.mark.usefixtures("quickly")


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe often."""
    monkeypatch.setattr("r2po.llm.outage.FIRST_INTERVAL_S", 0.05)


@contextmanager
def asking(server: FakeOllama, folder: Path, longest_s: float, attempts: int = 3) -> Iterator[tuple[Client, list[str]]]:
    """Give a client of a server, and the lines for its user."""
    provider = Ollama("tiny", ProviderSettings({"OLLAMA_BASE_URL": server.url}, timeout_s=5.0))
    notes: list[str] = []
    with open_client(provider, folder, max_attempts=attempts, on_note=notes.append) as client:
        client.gate = OutageGate({SEARCH: provider}, longest_s, client.note)
        yield client, notes


def question(sample: int = 0) -> Question:
    return Question(1, "search", sample, 1, "prompt")


def listed(server: FakeOllama) -> int:
    return sum(each.path == "/api/tags" for each in server.requests)


def test_an_outage_is_waited_for_and_its_attempts_do_not_count(tmp_path: Path) -> None:
    """The first failure counts: until the second one it was no outage."""
    with FakeOllama() as server, asking(server, tmp_path, 60.0, attempts=2) as (client, notes):
        server.die()
        timer = threading.Timer(0.5, server.revive)
        timer.start()
        assert client.ask(question(), str).value == "fine"
        timer.join()
        assert client.store.failures == 2
        assert len(server.chats) == 1
        began, over = notes
        assert began.startswith(f"{server.url}: no answer since ")
        assert "connection refused" in began
        assert "waits for up to 1 min" in began
        assert "Ctrl-C stops, and the run can be resumed" in began
        assert over.startswith(f"{server.url} answers again after ")


def test_a_list_that_answers_does_not_end_the_outage_of_what_it_lists(tmp_path: Path) -> None:
    """One attempt follows each probe that is answered; none of them counts."""
    with FakeOllama() as server, asking(server, tmp_path, 60.0) as (client, _):
        server.inject(*[status(529)] * 8)
        assert client.ask(question(), str).value == "fine"
        assert client.store.failures == 8
        assert listed(server) == 7


def test_while_the_list_fails_nothing_is_asked_that_costs(tmp_path: Path) -> None:
    with FakeOllama() as server, asking(server, tmp_path, 0.6) as (client, _):
        for path in ("/api/chat", "/api/tags"):
            server.always(status(502), path=path)
        with pytest.raises(OutageTooLong, match=r"no answer for 0\.6 s, and --max-outage allows no longer: .* 502"):
            client.ask(question(), str)
        assert len(server.chats) == 2
        assert 3 <= listed(server) <= 13
    events = [*read_events(tmp_path / "llm_calls.jsonl")]
    assert [type(event) for event in events[1:]] == [Failed, Failed, GaveUp]


def test_a_pause_that_the_server_announces_is_waited_for_up_to_the_end(tmp_path: Path) -> None:
    """It is longer than all else that a run waits for, and no attempt is made meanwhile."""
    with FakeOllama() as server, asking(server, tmp_path, 0.3) as (client, notes):
        server.always(status(503, headers={"Retry-After": "900"}))
        with pytest.raises(OutageTooLong, match=r"no answer for 0\.3 s"):
            client.ask(question(), str)
        assert len(server.chats) == 2  # the last one at the end
        assert len(notes) == 1


@pytest.mark.parametrize("code", [500, 408])
def test_other_failures_stay_bounded(code: int, tmp_path: Path) -> None:
    with FakeOllama() as server, asking(server, tmp_path, 60.0) as (client, notes):
        server.always(status(code))
        with pytest.raises(CallFailed, match=r"\(3 attempts\)"):
            client.ask(question(), str)
        assert notes == []


def test_switched_off_attempts_count_as_ever(tmp_path: Path) -> None:
    with FakeOllama() as server, asking(server, tmp_path, 0.0) as (client, notes):
        server.always(status(503))
        with pytest.raises(CallFailed, match=r"\(3 attempts\)"):
            client.ask(question(), str)
        assert (len(server.chats), listed(server), notes) == (3, 0, [])


def test_many_calls_at_once_wait_for_one_probe(tmp_path: Path) -> None:
    with FakeOllama() as server, asking(server, tmp_path, 60.0, attempts=2) as (client, notes):
        for path in ("/api/chat", "/api/tags"):
            server.always(status(503), path=path)
        threads = [threading.Thread(target=client.ask, args=(question(sample), str)) for sample in range(10)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        assert 2 <= len(server.chats) <= 11  # ten, if all were sent before the first one failed, which is no outage yet
        before = listed(server)
        server.recover()
        for thread in threads:
            thread.join()
        assert before <= 11  # not ten times as many
        assert len(client.store.replies) == 10
        assert len(notes) == 2


def test_a_stop_ends_the_waiting_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("r2po.llm.outage.FIRST_INTERVAL_S", 60.0)
    ended: list[BaseException] = []
    with FakeOllama() as server, asking(server, tmp_path, 600.0) as (client, notes):
        server.always(status(503))

        def ask() -> None:
            try:
                client.ask(question(), str)
            except AttemptFailed as error:
                ended.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        while not notes:
            time.sleep(0.01)
        client.close()
        thread.join(2.0)
        assert not thread.is_alive()
    assert "not sent, since the run was stopped" in str(ended[0])


def test_a_cap_on_time_holds_after_an_outage(tmp_path: Path) -> None:
    """Waits count as wall time, this one like any other."""
    with FakeOllama() as server, asking(server, tmp_path, 60.0) as (client, _):
        client.budget = with_time(client, lambda: 11.0 if len(server.requests) > 2 else 0.0)
        server.inject(*[status(503)] * 2)
        with pytest.raises(CapReached, match="max_wall_time_s is reached"):
            client.ask(question(), str)
        assert len(server.chats) == 2


def with_time(client: Client, clock: Callable[[], float]) -> Budget:
    """Return a budget of ten seconds."""
    return Budget(Caps(max_wall_time_s=10.0), client.accounting, clock=clock)


def test_a_cap_on_time_holds_for_a_call_that_had_not_begun_before_the_outage(tmp_path: Path) -> None:
    with FakeOllama() as server, asking(server, tmp_path, 60.0) as (client, _):
        client.budget = with_time(client, lambda: 11.0 if server.requests else 0.0)
        begin_outage(client)
        with pytest.raises(CapReached, match="max_wall_time_s is reached"):
            client.ask(question(), str)
        assert (len(server.chats), listed(server)) == (0, 1)
    assert [*read_events(tmp_path / "llm_calls.jsonl")] == []


def test_latency_is_the_time_of_attempts_and_not_of_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call waits before its first attempt, the second one after it."""
    monkeypatch.setattr("r2po.llm.outage.FIRST_INTERVAL_S", 0.5)
    with FakeOllama() as server, asking(server, tmp_path, 60.0) as (client, _):
        for sample in range(2):
            if sample == 0:
                begin_outage(client)
            else:
                server.inject(*[status(503)] * 2)
            began = time.monotonic()
            received = client.ask(question(sample), str)
            assert 0.0 < received.latency_s < time.monotonic() - began - 0.4


def begin_outage(client: Client) -> None:
    """Let the server be out, as other calls have found."""
    assert isinstance(client.gate, OutageGate)
    client.gate._breakers[SEARCH].begin(time.monotonic(), "connection refused")
