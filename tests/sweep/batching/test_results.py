"""Results that are not where they should be, or cannot be read: what was answered is not paid for again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from r2po.sweep.batching import courier as couriers
from r2po.sweep.batching.record import read_all
from tests.llm.fake_servers.batching import (
    ANSWERED,
    LOST,
    Batch,
    Batching,
    BatchingAnthropic,
    BatchingGemini,
    BatchingOpenAI,
)
from tests.process.processes import wait_until
from tests.sweep.batching.office import OneDesk, call, make_clerk, served

RUNS = (0, 1, 2)


class Elsewhere(BatchingGemini):
    """The answers are in a place that nobody knows."""

    def _shown(self, batch: Batch) -> Any:
        shown = super()._shown(batch)
        if self.hidden:
            shown["newPlace"] = shown.pop("response", None)
        return shown


class Counting(BatchingGemini):
    """The server counts what was answered, as strings, and one answer is missing."""

    def _shown(self, batch: Batch) -> Any:
        shown = super()._shown(batch)
        shown["metadata"]["batchStats"] = {"requestCount": "3", "successfulRequestCount": "3"}
        if self.hidden and "response" in shown:
            shown["response"]["inlinedResponses"]["inlinedResponses"] = self._answers(batch)[1:]
        return shown


class InNoOrder(BatchingGemini):
    """Answers without keys, one of which is missing."""

    keeps_keys = False

    def _answers(self, batch: Batch) -> list[Any]:
        answers = super()._answers(batch)
        return answers[1:] if self.hidden else answers


class Nameless(BatchingOpenAI):
    """Batches are completed before they name their files."""

    def _look(self, name: str) -> Any:
        shown = super()._look(name)
        return {**shown, "output_file_id": None, "error_file_id": None} if self.hidden else shown


class Uncounted(BatchingOpenAI):
    """One of two files is not named yet, and the server counts its answers."""

    def _look(self, name: str) -> Any:
        shown = super()._look(name)
        counts = {"total": 3, "completed": 2, "failed": 1}
        output = None if self.hidden else shown["output_file_id"]
        return {**shown, "request_counts": counts, "output_file_id": output}


class Empty(BatchingAnthropic):
    """A good status, and nothing in the file."""

    def _results(self, batch: Batch) -> bytes:
        results = super()._results(batch)
        return b"" if self.hidden else results


class Page(BatchingAnthropic):
    """Something on the way shows a page of its own."""

    def _results(self, batch: Batch) -> bytes:
        results = super()._results(batch)
        return b"<html>please wait</html>\n" if self.hidden else results


LATE = [Elsewhere, Counting, InNoOrder, Nameless, Uncounted, Empty, Page]


def answer(prompt: str) -> str:
    return f"answer to {prompt}"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "FIRST_RETRY_S", 0.01)


@pytest.mark.parametrize("kind", LATE)
def test_answered_calls_whose_answers_are_not_found_stop_the_sweep_and_stay_on_record(
    tmp_path: Path, kind: type[Batching]
) -> None:
    with kind(answer) as server:
        server.hidden = True
        if kind is Uncounted:
            server.fate = lambda batch, place: "failed" if batch == 1 and not place else ANSWERED
        desk = OneDesk(server)
        clerk = make_clerk(tmp_path, desk)
        assert served(clerk, desk, RUNS) == {}
        (record,) = read_all(tmp_path / "batches")
        assert record.state == "sent"
        assert clerk.problem.startswith(f"batch {record.own_id} is over, and its results cannot be read: ")
        assert clerk.problem.endswith(f"and pay again: --resend-batch {record.own_id}")
        server.hidden = False
        desk = OneDesk(server)
        outcomes = served(make_clerk(tmp_path, desk), desk, RUNS)
        assert [outcome.is_answer for _, outcome in sorted(outcomes.items())] == [kind is not Uncounted, True, True]
        assert [len(batch.requests) for batch in server.batches] == [3]


def test_results_that_come_late_are_waited_for(tmp_path: Path) -> None:
    with Nameless(answer) as server:
        server.hidden = True
        desk = OneDesk(server)
        clerk = make_clerk(tmp_path, desk)
        for run in RUNS:
            clerk.take(call(desk, run))
        clerk.tick(RUNS)
        wait_until(lambda: any("names no file of results; asked again" in note for note in clerk.notes()))
        server.hidden = False
        wait_until(lambda: len(clerk._answers) == 3)
        assert clerk.problem == ""


def test_a_line_that_cannot_be_read_fails_its_own_request(tmp_path: Path) -> None:
    class Damaged(BatchingAnthropic):
        def _results(self, batch: Batch) -> bytes:
            first, *rest = super()._results(batch).splitlines(keepends=True)
            return b"".join([first[: len(first) // 2] + b"\n", *rest]) if batch is self.batches[0] else first

    with Damaged(answer) as server:
        desk = OneDesk(server)
        clerk = make_clerk(tmp_path, desk)
        began = time.monotonic()
        outcomes = served(clerk, desk, RUNS)
        assert time.monotonic() - began < 10.0
        assert [outcomes[run].is_answer for run in RUNS] == [True, True, False]
        assert served(clerk, desk, [2], again=True)[2].is_answer


def test_what_a_server_lost_without_counting_it_is_asked_again(tmp_path: Path) -> None:
    with BatchingGemini(answer) as server:
        server.fate = lambda _batch, place: LOST if place == 2 else ANSWERED
        desk = OneDesk(server)
        outcomes = served(make_clerk(tmp_path, desk), desk, RUNS)
        assert outcomes[2].reason == "the results of the batch do not mention it"
