"""What is sent, and when: nothing twice after a refusal that may be none, and nothing after a stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from r2po.sweep.batching import courier as couriers
from r2po.sweep.batching.clerk import BatchTerms, Clerk
from r2po.sweep.batching.desk import Desk
from r2po.sweep.batching.pauses import Pauses
from r2po.sweep.batching.record import read_all
from tests.llm.fake_servers.batching import BATCHING, Batch, Batching, BatchingAnthropic, BatchingOpenAI, Refused, Step
from tests.sweep.batching.office import SOON, OneDesk, call, make_clerk, served

RUNS = (0, 1, 2)


def answer(prompt: str) -> str:
    return f"answer to {prompt}"


@pytest.fixture(params=BATCHING)
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batching]:
    monkeypatch.setattr(couriers, "FIRST_RETRY_S", 0.01)
    with BATCHING[request.param](answer) as server:
        yield server


def clerk_of(folder: Path, desk: OneDesk, pauses: Pauses) -> Clerk:
    return Clerk(folder, BatchTerms(0.0, pauses), desk, lambda run: f"nim/run_{run}")


def refuse_first(server: Batching, code: int, then: Callable[[], None] = lambda: None) -> None:
    """Let the first batch be taken, and answered with a refusal."""

    def on_step(step: Step) -> None:
        if (step.name, step.is_done) == ("send", True):
            server.on_step = lambda _step: None
            then()
            raise Refused(code)

    server.on_step = on_step


@pytest.mark.parametrize("code", [503, 529])
def test_a_batch_that_was_taken_in_spite_of_a_refusal_is_found_when_the_list_is_late(
    tmp_path: Path, server: Batching, code: int
) -> None:
    def hide() -> None:
        server.hidden = True
        threading.Timer(0.1, lambda: setattr(server, "hidden", False)).start()

    refuse_first(server, code, hide)
    desk = OneDesk(server)
    assert len(served(clerk_of(tmp_path, desk, replace(SOON, settle_s=5.0)), desk, RUNS)) == 3
    assert [len(batch.requests) for batch in server.batches] == [3]


@pytest.mark.parametrize("server", ["OpenAI"], indirect=True)
def test_a_batch_that_was_taken_in_spite_of_429_is_found_in_the_list(tmp_path: Path, server: Batching) -> None:
    refuse_first(server, 429)
    desk = OneDesk(server)
    assert len(served(make_clerk(tmp_path, desk), desk, RUNS)) == 3
    assert [len(batch.requests) for batch in server.batches] == [3]


class Shared(BatchingAnthropic):
    """Ours is refused once; others always have a batch of as many requests under way, each made so much later."""

    made_later_s = 0.0

    def __init__(self) -> None:
        super().__init__(answer)
        self.theirs: list[Batch] = []
        self.on_step = self._on_step

    def _on_step(self, step: Step) -> None:
        if step.name == "send" and not step.is_done and not self.theirs:
            self._make()
            raise Refused(429)
        if step.name == "list" and not step.is_done and self.theirs:
            self._make()

    def _make(self) -> None:
        batch = self.accept("", [(f"theirs-{place}", {"messages": []}) for place in RUNS])
        batch.created += self.made_later_s
        self.theirs.append(batch)

    def is_over(self, batch: Batch) -> bool:
        return batch not in self.theirs[-1:]

    def _results(self, batch: Batch) -> bytes:
        return b"" if batch in self.theirs else super()._results(batch)


def test_batches_made_much_later_are_not_taken_for_one_that_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "FIRST_RETRY_S", 0.01)
    with Shared() as server:
        server.made_later_s = 5 * 3600.0
        desk = OneDesk(server)
        clerk = make_clerk(tmp_path, desk)
        assert len(served(clerk, desk, RUNS)) == 3
        assert not any("may be" in note for note in clerk.notes())


def test_a_doubtful_batch_is_not_sent_again_and_not_waited_for_without_end(tmp_path: Path) -> None:
    with Shared() as server:
        desk = OneDesk(server)
        clerk = clerk_of(tmp_path, desk, replace(SOON, doubt_s=0.05))
        assert served(clerk, desk, RUNS) == {}
        assert server.steps.count("send") == 1
        assert "it may be msgbatch_" in clerk.problem
        assert "which does not end; if you know" in clerk.problem


@pytest.mark.parametrize("server", ["Anthropic"], indirect=True)
@pytest.mark.parametrize("ahead_s", [-7200.0, 7200.0])
def test_a_batch_is_found_though_clocks_differ_by_hours(
    tmp_path: Path, server: Batching, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    """The server dates its answers and its batches by the same clock."""
    told = "http.server.BaseHTTPRequestHandler.date_time_string"
    monkeypatch.setattr(told, lambda _self, _at=None: formatdate(time.time() + ahead_s, usegmt=True))

    def shift() -> None:
        server.batches[0].created += ahead_s

    refuse_first(server, 500, shift)
    desk = OneDesk(server)
    assert len(served(make_clerk(tmp_path, desk), desk, RUNS)) == 3
    assert len(server.batches) == 1


class TwoDesks:
    """The first run asks one server, the second another."""

    def __init__(self, *desks: OneDesk) -> None:
        self.all = [desk.desk for desk in desks]

    def of(self, run: int, role: str) -> Desk:
        return self.all[run]


def test_nothing_is_sent_after_a_stop_and_what_is_being_sent_is_waited_for(tmp_path: Path) -> None:
    with BatchingOpenAI(answer) as slow, BatchingOpenAI(answer) as late:
        stopping, sending, uploading = threading.Event(), threading.Event(), threading.Event()

        def on_slow(step: Step) -> None:
            if step.name == "send" and not step.is_done:
                sending.set()
                stopping.wait(10.0)
                time.sleep(1.2)

        def on_late(step: Step) -> None:
            if step.name == "upload" and step.is_done:
                uploading.set()
                stopping.wait(10.0)
                time.sleep(0.1)

        slow.on_step, late.on_step = on_slow, on_late
        desks = [OneDesk(slow), OneDesk(late)]
        clerk = Clerk(tmp_path, BatchTerms(0.0, SOON), TwoDesks(*desks), lambda run: f"nim/run_{run}")
        for run, desk in enumerate(desks):
            clerk.take(call(desk, run))
        until = time.monotonic() + 10.0
        while not (sending.is_set() and uploading.is_set()):
            assert time.monotonic() < until
            clerk.tick((0, 1))
            time.sleep(0.01)
        threading.Timer(0.05, stopping.set).start()
        clerk.close()
        assert [len(batch.requests) for batch in slow.batches] == [1]
        assert late.batches == []
        states = {record.server: record.state for record in read_all(tmp_path / "batches")}
        assert states == {desks[0].desk.place[0]: "sent", desks[1].desk.place[0]: "written"}
