"""The clerk of a sweep's batches, against the fake of each of the three protocols: what is asked, what is never twice.

A kill is one of the process that carries a batch: from some point on it writes and sends nothing more. The same with
real processes is in ``test_batch_kills.py``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from r2po.errors import InputError
from r2po.llm.providers.batches.batches import Outcome
from r2po.runlog.jsonl import write_atomically
from r2po.sweep.batching import clerk as clerks
from r2po.sweep.batching import courier as couriers
from r2po.sweep.batching.clerk import BatchTerms, Clerk
from r2po.sweep.batching.record import BatchRecord, check_none_out, read_all, unfinished
from tests.llm.fake_servers.batching import (
    ANSWERED,
    BATCHING,
    EXPIRED,
    FAILED,
    INVALID,
    LOST,
    Batch,
    Batching,
    Refused,
    Step,
)
from tests.llm.fake_servers.core import status
from tests.process.processes import wait_until
from tests.sweep.batching.office import KEY, SOON, OneDesk, call, make_clerk, served, waited

RUNS = (0, 1, 2)
AT_ONE = pytest.mark.parametrize("server", ["OpenAI"], indirect=True)
"""What has nothing to do with the protocol."""
SEND_PATHS = {
    "OpenAI": "/batches",
    "Anthropic": "/v1/messages/batches",
    "Gemini": "/v1beta/models/gemini-tiny:batchGenerateContent",
}


@pytest.fixture(params=BATCHING)
def server(request: pytest.FixtureRequest) -> Iterator[Batching]:
    with BATCHING[request.param](lambda prompt: f"answer to {prompt}", key=KEY) as server:
        yield server


def texts(outcomes: dict[int, Outcome]) -> dict[int, bool]:
    """Return for each run whether its outcome holds the answer to its own prompt."""
    return {run: f"answer to prompt {run}" in json.dumps(outcome.body) for run, outcome in outcomes.items()}


RIGHT = dict.fromkeys(RUNS, True)


def test_what_is_collected_is_sent_as_one_batch_and_each_run_gets_its_answer(tmp_path: Path, server: Batching) -> None:
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    assert texts(served(clerk, desk, RUNS)) == RIGHT
    assert [len(batch.requests) for batch in server.batches] == [3]
    assert server.chats == []
    assert [body for _, body in server.batches[0].requests] == [desk.bodies[run] for run in RUNS]
    assert [note.split(": ")[1] for note in clerk.notes()] == [
        f"3 calls to {server.model} are under way as {server.batches[0].name}",
        "3 answered",
    ]


def test_keys_are_in_no_file(tmp_path: Path, server: Batching) -> None:
    """Not even if the server says them back."""
    server._reply = lambda prompt: f"answer to {prompt}, asked with {KEY}"
    desk = OneDesk(server)
    assert texts(served(make_clerk(tmp_path, desk), desk, RUNS)) == RIGHT
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert not any(KEY in path.read_text() for path in files)


def test_nothing_that_was_answered_is_asked_again(tmp_path: Path, server: Batching) -> None:
    desk = OneDesk(server)
    served(make_clerk(tmp_path, desk), desk, RUNS)
    steps = server.steps.copy()
    later = make_clerk(tmp_path, OneDesk(server))
    assert texts(served(later, desk, RUNS)) == RIGHT
    assert [step for step in server.steps if step != "delete"] == [step for step in steps if step != "delete"]
    assert len(server.prompts_answered) == 3


@AT_ONE
def test_a_run_that_had_the_answer_and_cannot_use_it_asks_again(tmp_path: Path, server: Batching) -> None:
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    served(clerk, desk, RUNS)
    assert texts(served(clerk, desk, [1], again=True)) == {1: True}
    assert [len(batch.requests) for batch in server.batches] == [3, 1]


def test_requests_without_an_answer_say_why_and_are_in_the_next_batch(tmp_path: Path, server: Batching) -> None:
    fates = [ANSWERED, EXPIRED, FAILED, INVALID, LOST]
    if "gemini" in server.model:
        server.keeps_keys = True  # type: ignore[attr-defined]
    server.fate = lambda batch, place: fates[place] if batch == 1 else ANSWERED
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    outcomes = served(clerk, desk, range(5))
    assert [outcomes[run].status for run in range(5)] == [200, None, 500, 400, None]
    assert outcomes[4].reason == "the results of the batch do not mention it"
    assert outcomes[1].reason
    retried = served(clerk, desk, [1, 2, 3, 4], again=True)
    assert texts(retried) == dict.fromkeys((1, 2, 3, 4), True)
    assert [len(batch.requests) for batch in server.batches] == [5, 4]


def test_after_a_restart_what_failed_is_asked_again_and_what_was_answered_is_not(
    tmp_path: Path, server: Batching
) -> None:
    server.fate = lambda batch, place: EXPIRED if (batch, place) == (1, 1) else ANSWERED
    desk = OneDesk(server)
    served(make_clerk(tmp_path, desk), desk, RUNS)
    assert texts(served(make_clerk(tmp_path, desk), desk, RUNS)) == RIGHT
    assert [len(batch.requests) for batch in server.batches] == [3, 1]


def test_a_batch_that_fails_as_a_whole_stops_with_the_reason_of_the_server(tmp_path: Path, server: Batching) -> None:
    if "claude" in server.model:
        server.inject(status(400, server.error(400, "not today")), path=SEND_PATHS["Anthropic"])
    else:
        server.refusals_to_come = ["not today"]
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    assert served(clerk, desk, RUNS) == {}
    assert "a batch of 3 calls" in clerk.problem
    assert "not today" in clerk.problem
    assert clerk.out == []
    assert texts(served(make_clerk(tmp_path, desk), desk, RUNS)) == RIGHT  # mended, they are sent anew


def kill_at(server: Batching, name: str, is_done: bool, kill: Callable[[], None]) -> None:
    """Let the process end at a step of the server, before it is carried out or before it is answered."""

    def on_step(step: Step) -> None:
        if (step.name, step.is_done) == (name, is_done):
            server.on_step = lambda _step: None
            kill()
            raise ConnectionAbortedError

    server.on_step = on_step


STEPS = [(name, is_done) for name in ("upload", "list", "send", "look", "results") for is_done in (False, True)]


@pytest.mark.parametrize(("step", "is_done"), STEPS)
def test_a_kill_at_any_step_costs_nothing_twice(
    tmp_path: Path, server: Batching, monkeypatch: pytest.MonkeyPatch, step: str, is_done: bool
) -> None:
    """What the server has is found, and not sent again; what it does not have is not sent without being asked for."""
    monkeypatch.setattr(clerks, "GRACE_S", 0.0)
    first = "upload" if server.model == "tiny" else "list"
    if step in ("upload", "list") and step != first:
        pytest.skip("this protocol has no such step")
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    killed = threading.Event()

    def kill() -> None:
        clerk.close()
        killed.set()

    kill_at(server, step, is_done, kill)
    for run in RUNS:
        clerk.take(call(desk, run))
    clerk.tick(RUNS)
    assert killed.wait(10.0)
    clerk.close()
    desk = OneDesk(server)
    second = make_clerk(tmp_path, desk)
    outcomes = served(second, desk, RUNS)
    if (step, is_done) == ("send", False):
        (record,) = read_all(tmp_path / "batches")
        assert outcomes == {}
        assert server.batches == []
        assert f"{record.own_id} of 3 calls may have been sent at" in second.problem
        assert second.problem.endswith(f"pay for it again: --resend-batch {record.own_id}")
        desk = OneDesk(server)
        outcomes = served(make_clerk(tmp_path, desk, resend=[record.own_id]), desk, RUNS)
    assert texts(outcomes) == RIGHT
    assert [len(batch.requests) for batch in server.batches] == [3]
    assert len(server.prompts_answered) == 3


def hang_up_after_sending(server: Batching) -> None:
    """Let the server take the next batch, and close the connection without an answer."""
    kill_at(server, "send", True, lambda: None)


def test_a_batch_whose_answer_was_lost_is_found_in_the_list(tmp_path: Path, server: Batching) -> None:
    hang_up_after_sending(server)
    desk = OneDesk(server)
    assert texts(served(make_clerk(tmp_path, desk), desk, RUNS)) == RIGHT
    assert [len(batch.requests) for batch in server.batches] == [3]


def test_it_is_found_among_many(tmp_path: Path, server: Batching, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists come in pages, and others use the same account meanwhile."""
    for module in ("batches", "gemini"):
        monkeypatch.setattr(f"r2po.llm.providers.batches.{module}.PAGE", 5)
    hang_up_after_sending(server)
    accept = server.accept

    def with_others(own_id: str, requests: Iterable[tuple[str, Any]]) -> Batch:
        batch = accept(own_id, requests)
        for number in range(12):
            other = accept(f"other-{number}", [(f"o-{number}-{each}", desk.bodies[each]) for each in range(3)])
            other.looks = 99
        return batch

    server.accept = with_others  # type: ignore[method-assign]
    desk = OneDesk(server)
    assert texts(served(make_clerk(tmp_path, desk), desk, RUNS)) == RIGHT
    assert len(server.batches) == 13


def test_a_batch_that_is_not_listed_stops_the_sweep_instead_of_being_paid_twice(
    tmp_path: Path, server: Batching
) -> None:
    hang_up_after_sending(server)
    server.hidden = True
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    assert served(clerk, desk, RUNS) == {}
    assert "(connection reset" in clerk.problem or "the server closed the connection" in clerk.problem
    assert f"is not in the list of batches of {server.url}" in clerk.problem
    assert len(server.batches) == 1
    server.hidden = False  # lists may be late: the same command finds it
    assert texts(served(make_clerk(tmp_path, OneDesk(server)), desk, RUNS)) == RIGHT
    assert len(server.batches) == 1


def test_a_list_that_does_not_answer_stops_the_sweep_too(tmp_path: Path, server: Batching) -> None:
    desk = OneDesk(server)

    def kill_the_list() -> None:
        for path in ("/batches?limit=100", "/v1/messages/batches?limit=100", "/v1beta/batches?pageSize=100"):
            server.always(status(500), path=path)

    kill_at(server, "send", True, kill_the_list)
    clerk = make_clerk(tmp_path, desk)
    assert served(clerk, desk, RUNS) == {}
    assert "may have been sent at" in clerk.problem
    assert "the server does not list its batches" in clerk.problem
    assert len(server.batches) == 1


@pytest.mark.parametrize("code", [429, 503])
def test_a_server_that_takes_nothing_now_is_asked_again(
    tmp_path: Path, server: Batching, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(couriers, "FIRST_RETRY_S", 0.01)
    refused: list[int] = []

    def on_step(step: Step) -> None:
        if step.name == "send" and not step.is_done and not refused:
            refused.append(code)
            raise Refused(code)

    server.on_step = on_step
    desk = OneDesk(server)
    assert texts(served(make_clerk(tmp_path, desk), desk, RUNS)) == RIGHT
    assert refused == [code]
    assert server.steps.count("send") == 2
    assert len(server.batches) == 1


def test_an_account_without_credit_is_no_server_that_is_busy(tmp_path: Path, server: Batching) -> None:
    """Both may answer 429."""
    for path in SEND_PATHS.values():
        server.always(status(*server.exhausted("add credit")), path=path)
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    assert served(clerk, desk, RUNS) == {}
    assert clerk.problem.startswith("a batch of 3 calls is refused: ")
    assert server.key_variable in clerk.problem
    assert server.batches == []


@AT_ONE
def test_looks_and_results_that_fail_are_asked_for_again(
    tmp_path: Path, server: Batching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "FIRST_RETRY_S", 0.01)
    failed: list[str] = []

    def on_step(step: Step) -> None:
        if step.name in ("look", "results") and not step.is_done and step.name not in failed:
            failed.append(step.name)
            raise Refused(500)

    server.on_step = on_step
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    assert texts(served(clerk, desk, RUNS)) == RIGHT
    assert failed == ["look", "results"]
    assert any("asked again until that is answered" in note for note in clerk.notes())


@AT_ONE
def test_a_batch_that_the_server_forgot_stops_with_what_to_do(tmp_path: Path, server: Batching) -> None:
    def forget(step: Step) -> None:
        if step.name == "look" and not step.is_done:
            raise Refused(404)

    server.on_step = forget
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    assert served(clerk, desk, RUNS) == {}
    assert "does not know" in clerk.problem
    assert clerk.problem.endswith(f"--resend-batch {clerk.out[0].own_id}")


def test_cancelling_keeps_what_is_answered_and_asks_for_the_rest_later(tmp_path: Path, server: Batching) -> None:
    server.looks_needed = 10_000
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    for run in RUNS:
        clerk.take(call(desk, run))
    clerk.tick(RUNS)
    wait_until(lambda: bool(clerk.notes()))
    clerk.close()
    said: list[str] = []
    make_clerk(tmp_path, OneDesk(server), opened=False).cancel(said.append)
    assert said == [
        f"batch {clerk.out[0].own_id} of 3 calls ({server.batches[0].name}): the server is asked to cancel it"
    ]
    server.looks_needed = 0
    desk = OneDesk(server)
    second = make_clerk(tmp_path, desk)
    outcomes = served(second, desk, RUNS)
    assert [outcome.status for outcome in outcomes.values()] == [None] * 3
    assert texts(served(second, desk, RUNS, again=True)) == RIGHT
    assert [len(batch.requests) for batch in server.batches] == [3, 3]


@AT_ONE
def test_a_batch_is_no_larger_than_the_server_takes(
    tmp_path: Path, server: Batching, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = OneDesk(server)
    monkeypatch.setattr(type(desk.batches), "most_items", 2)
    assert texts(served(make_clerk(tmp_path, desk), desk, RUNS)) == RIGHT
    assert sorted(len(batch.requests) for batch in server.batches) == [1, 2]


@AT_ONE
def test_calls_of_a_run_that_is_gone_are_not_sent(tmp_path: Path, server: Batching) -> None:
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    for run in RUNS:
        clerk.take(call(desk, run))
    clerk.forget([1])
    assert texts(waited(clerk, [0, 2])) == {0: True, 2: True}
    assert [len(batch.requests) for batch in server.batches] == [2]


@AT_ONE
def test_a_damaged_batch_is_named_and_nothing_is_sent(tmp_path: Path, server: Batching) -> None:
    desk = OneDesk(server)
    served(make_clerk(tmp_path, desk), desk, RUNS)
    (path,) = tmp_path.glob("batches/*/state.json")
    path.write_text("{")
    with pytest.raises(InputError, match=rf"{path.parent} is damaged .* delete it to send its calls again"):
        make_clerk(tmp_path, desk)


@AT_ONE
def test_an_unknown_batch_cannot_be_sent_again(tmp_path: Path, server: Batching) -> None:
    with pytest.raises(
        InputError, match=r"--resend-batch r2po-1: no such batch is under way in .*; those that are: none"
    ):
        make_clerk(tmp_path, OneDesk(server), resend=["r2po-1"])


@AT_ONE
def test_a_run_that_begins_again_waits_for_the_batch_that_its_call_is_in(tmp_path: Path, server: Batching) -> None:
    """As after a crash of its worker."""
    server.looks_needed = 3
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    for run in RUNS:
        clerk.take(call(desk, run))
    clerk.tick(RUNS)
    clerk.forget(RUNS)
    assert texts(served(clerk, desk, RUNS)) == RIGHT
    assert [len(batch.requests) for batch in server.batches] == [3]


@AT_ONE
def test_what_a_stopped_sweep_says(tmp_path: Path, server: Batching) -> None:
    server.looks_needed = 10_000
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    assert unfinished(clerk.out) == ""
    for run in RUNS:
        clerk.take(call(desk, run))
    clerk.tick(RUNS)
    wait_until(lambda: bool(clerk.notes()))
    began = time.monotonic()
    clerk.close()
    assert time.monotonic() - began < 1.0
    assert unfinished(clerk.out).startswith(f"; 1 batch of 3 calls goes on at {server.url}: what continues")
    with pytest.raises(InputError, match=r"1 batch\(es\) of 3 calls are under way, or may be: add --batch"):
        check_none_out(tmp_path / "batches")


@AT_ONE
def test_calls_are_collected_until_all_runs_wait(tmp_path: Path, server: Batching) -> None:
    desk = OneDesk(server)
    clerk = Clerk(tmp_path, BatchTerms(60.0, SOON), desk, str)
    for run in (0, 1):
        clerk.take(call(desk, run))
        time.sleep(clerks.QUIET_S + 0.05)
        clerk.tick(RUNS)
    assert not list(tmp_path.glob("batches/*"))
    clerk.take(call(desk, 2))
    assert texts(waited(clerk, RUNS)) == RIGHT
    assert [len(batch.requests) for batch in server.batches] == [3]


def test_a_batch_at_another_server_is_neither_waited_for_in_vain_nor_paid_twice(tmp_path: Path) -> None:
    with BATCHING["OpenAI"](str) as first, BATCHING["OpenAI"](str) as second:
        first.looks_needed = 10_000
        desk = OneDesk(first)
        clerk = make_clerk(tmp_path, desk)
        for run in RUNS:
            clerk.take(call(desk, run))
        clerk.tick(RUNS)
        wait_until(lambda: bool(clerk.notes()))
        clerk.close()
        moved = OneDesk(second)
        later = make_clerk(tmp_path, moved)
        assert served(later, moved, RUNS) == {}
        assert f"of 3 calls is at {first.url}, which was asked for tiny, and the sweep asks another" in later.problem
        assert second.batches == []
        again = make_clerk(tmp_path, moved, resend=[clerk.out[0].own_id])
        assert len(served(again, moved, RUNS)) == 3


@AT_ONE
def test_an_answer_to_a_run_that_is_gone_is_not_handed_to_the_one_that_begins_again(
    tmp_path: Path, server: Batching
) -> None:
    """It came when its worker had just died; the run asks again, and has it then."""
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    for run in RUNS:
        clerk.take(call(desk, run))
    clerk.tick(RUNS)
    wait_until(lambda: not clerk.out and len(clerk._answers) == 3)
    clerk.forget([1])
    assert sorted(answer.run for answer in clerk.answers()) == [0, 2]
    assert texts(served(clerk, desk, [1])) == {1: True}
    assert len(server.prompts_answered) == 3


@AT_ONE
def test_the_requests_uploaded_are_deleted_once_the_batch_was_fetched(tmp_path: Path, server: Batching) -> None:
    desk = OneDesk(server)
    clerk = make_clerk(tmp_path, desk)
    assert texts(served(clerk, desk, RUNS)) == RIGHT
    wait_until(lambda: "delete" in server.steps)
    wait_until(lambda: list(server.files) == ["batch_1-output_file_id"])  # type: ignore[attr-defined]


@AT_ONE
def test_results_read_after_a_restart_do_not_stay_in_memory(tmp_path: Path, server: Batching) -> None:
    desk = OneDesk(server)
    served(make_clerk(tmp_path, desk), desk, RUNS)
    later = make_clerk(tmp_path, desk)
    later.take(call(desk, 0))
    (record,) = later._loaded.values()
    loaded = record._outcomes
    assert loaded is not None
    time.sleep(clerks.QUIET_S + 0.05)
    later.tick(RUNS)
    assert record._outcomes is None
    assert texts(served(later, desk, RUNS)) == RIGHT


@AT_ONE
def test_a_batch_is_no_longer_than_the_server_takes(
    tmp_path: Path, server: Batching, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = OneDesk(server)
    two = len(json.dumps(desk.bodies[0])) + len(json.dumps(desk.bodies[1]))
    monkeypatch.setattr(type(desk.batches), "most_bytes", two)
    assert texts(served(make_clerk(tmp_path, desk), desk, RUNS)) == RIGHT
    assert sorted(len(batch.requests) for batch in server.batches) == [1, 2]


@AT_ONE
@pytest.mark.parametrize(("name", "most"), [("most_items", 2), ("most_bytes", 2)])
def test_a_full_batch_is_sent_though_other_runs_are_busy(
    tmp_path: Path, server: Batching, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    desk = OneDesk(server)
    monkeypatch.setattr(type(desk.batches), name, most)
    clerk = Clerk(tmp_path, BatchTerms(60.0, SOON), desk, str)
    for run in (0, 1):
        clerk.take(call(desk, run))
    clerk.tick(RUNS)
    wait_until(lambda: len(clerk._answers) == 2)


@AT_ONE
def test_results_are_on_disk_before_the_batch_is_called_fetched(
    tmp_path: Path, server: Batching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a kill between the two would lose them; in memory, the time comes with the state."""
    seen: list[tuple[str, bool]] = []
    assign = BatchRecord.__setattr__

    def watched(path: Path, data: bytes) -> None:
        if path.name == "results.jsonl":
            seen.append((json.loads(path.with_name("state.json").read_text())["state"], True))
        write_atomically(path, data)

    def assigned(record: BatchRecord, name: str, value: Any) -> None:
        assign(record, name, value)
        if (name, value) == ("state", "fetched"):
            seen.append(("in memory", bool(record.fetched_at)))

    monkeypatch.setattr("r2po.sweep.batching.record.write_atomically", watched)
    monkeypatch.setattr(BatchRecord, "__setattr__", assigned)
    desk = OneDesk(server)
    assert texts(served(make_clerk(tmp_path, desk), desk, RUNS)) == RIGHT
    assert seen == [("sent", True), ("in memory", True)]
