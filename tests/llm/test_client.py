"""The client: what is retried, for how long, and that everything is recorded before it is used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from r2po.errors import InputError, UnusableReply
from r2po.llm.client import CallFailed
from r2po.llm.patience import FIRST_WAIT_S, LONGEST_WAIT_S
from r2po.llm.replies import CUT_OFF
from r2po.llm.types import AttemptFailed, Question, Reply
from r2po.methods.asking import SolutionReader
from r2po.policies import PolicyConfig
from r2po.policies.linear import Linear
from r2po.runlog.events import FILE
from r2po.runlog.jsonl import iterate_lines
from r2po.tasks.spaces import Spaces
from tests.builders import open_client
from tests.scripted import Scripted

QUESTION = Question(1, "search", 0, 1, "What are the parameters?")


def busy(retry_after_s: float | None = None) -> AttemptFailed:
    return AttemptFailed("server is busy", retryable=True, status=503, retry_after_s=retry_after_s)


def forbidden() -> AttemptFailed:
    return AttemptFailed("key refused", retryable=False, status=401)


def accept(text: str) -> str:
    return text


def refuse(text: str) -> str:
    raise UnusableReply(f"{text} is no good")


def events(folder: Path) -> list[dict[str, Any]]:
    return list(iterate_lines(folder / FILE))


def test_a_reply_is_handed_out_and_recorded(tmp_path: Path) -> None:
    with open_client(Scripted(["params[0]: 1"]), tmp_path) as client:
        received = client.ask(QUESTION, lambda text: text.split())
    assert (received.value, received.refusal) == (["params[0]:", "1"], "")
    request, reply = events(tmp_path)
    assert (request["event"], reply["event"], reply["text"]) == ("request", "reply", "params[0]: 1")
    assert (request["iteration"], request["role"], request["attempt"]) == (1, "search", 1)
    assert (request["key"], reply["refusal"], reply["latency_s"]) == (received.key, "", received.latency_s)


def test_each_iteration_asks_anew_even_if_its_prompt_is_an_earlier_one(tmp_path: Path) -> None:
    again = replace(QUESTION, iteration=2)
    with open_client(Scripted(["one", "two"]), tmp_path) as client:
        assert [client.ask(question, accept).value for question in (QUESTION, again)] == ["one", "two"]
    with open_client(Scripted([]), tmp_path) as client:
        assert [client.ask(question, accept).value for question in (again, QUESTION)] == ["two", "one"]
        assert len(client.store.replies) == 2


def test_a_recorded_reply_is_not_asked_for_again(tmp_path: Path) -> None:
    with open_client(Scripted([Reply("one", thinking="hm")]), tmp_path) as client:
        first = client.ask(QUESTION, refuse)
    assert (first.value, first.refusal, first.fresh) == (None, "one is no good", True)
    with open_client(Scripted([]), tmp_path) as client:
        assert client.ask(QUESTION, accept) == replace(first, fresh=False)
        assert client.ask(QUESTION, accept) == replace(first, fresh=False)
    assert len(events(tmp_path)) == 2


def test_other_settings_are_other_calls(tmp_path: Path) -> None:
    provider = Scripted(["one", "two"])
    with open_client(provider, tmp_path, sampling={"temperature": 0.0}) as client:
        client.ask(QUESTION, accept)
    with open_client(provider, tmp_path, sampling={"temperature": 1.0}) as client:
        assert client.ask(QUESTION, accept).value == "two"
    assert [dict(request.sampling) for request in provider.requests] == [{"temperature": 0.0}, {"temperature": 1.0}]


def test_the_provider_is_told_all_it_needs(tmp_path: Path) -> None:
    provider = Scripted(["one"])
    with open_client(provider, tmp_path, sampling={"top_p": 0.5}) as client:
        client.ask(Question(7, "critic", 1, 3, "prompt"), accept)
    request = provider.requests[0]
    assert (request.prompt, request.sampling, request.sample, request.attempt) == ("prompt", {"top_p": 0.5}, 1, 3)


def test_a_request_is_on_record_before_it_is_sent(tmp_path: Path) -> None:
    class Dying(Scripted):
        def complete(self, request: Any) -> Reply:
            raise KeyboardInterrupt

    with open_client(Dying([]), tmp_path) as client, pytest.raises(KeyboardInterrupt):
        client.ask(QUESTION, accept)
    assert [event["event"] for event in events(tmp_path)] == ["request"]
    with open_client(Scripted(["one"]), tmp_path) as client:
        assert client.store.interrupted == 1
        assert client.ask(QUESTION, accept).value == "one"


def test_a_reply_is_on_record_before_anyone_judges_what_follows(tmp_path: Path) -> None:
    with open_client(Scripted(["one"]), tmp_path) as client:
        client.ask(QUESTION, accept)
        assert [event["event"] for event in events(tmp_path)] == ["request", "reply"]


@pytest.mark.parametrize(("finish", "refused"), [("stop", False), ("unknown", False), ("length", True)])
def test_a_reply_that_was_cut_off_is_refused_unread(finish: Any, refused: bool, tmp_path: Path) -> None:
    judged: list[str] = []
    with open_client(Scripted([Reply("params[0]: 1", finish=finish)]), tmp_path) as client:
        received = client.ask(QUESTION, judged.append)
    assert bool(received.refusal) is refused
    assert judged == ([] if refused else ["params[0]: 1"])


@pytest.mark.parametrize("finish", ["stop", "unknown", "length"])
@pytest.mark.parametrize(
    ("text", "refusals"),
    [
        ("params[0]: 1, params[1]: 2\nbecause", {"stop": "", "unknown": "", "length": ""}),
        (
            "params[0]: 1, params[1]: 2",
            {
                "stop": "",
                "unknown": "it may have been cut off at params[1], where it ends: write a line below it",
                "length": CUT_OFF,
            },
        ),
        ("params[0]: 1", {"stop": "missing params[1]", "unknown": "missing params[1]", "length": CUT_OFF}),
    ],
)
def test_a_set_in_a_reply_that_was_cut_off_counts_if_something_follows_it(
    finish: Any, text: str, refusals: dict[str, str], tmp_path: Path
) -> None:
    family = Linear(Spaces(False, 2, False, 1, 0, (-1.0,), (1.0,), None), PolicyConfig(bias=False))
    for script in ([Reply(text, finish=finish)], []):  # fresh, and on record
        with open_client(Scripted(script), tmp_path) as client:
            received = client.ask(QUESTION, SolutionReader(family, list))
        assert received.refusal == refusals[finish]
        assert received.value == (None if refusals[finish] else (1.0, 2.0))


def test_the_record_says_that_a_reply_was_cut_off_and_is_used(tmp_path: Path) -> None:
    family = Linear(Spaces(False, 2, False, 1, 0, (-1.0,), (1.0,), None), PolicyConfig(bias=False))
    used, unused, whole = "params[0]: 1, params[1]: 2\nbecause", "params[0]: 1", "params[0]: 1, params[1]: 2"
    script = [Reply(used, finish="length"), Reply(unused, finish="length"), Reply(whole)]
    with open_client(Scripted(script), tmp_path) as client:
        for attempt in (1, 2, 3):
            client.ask(replace(QUESTION, attempt=attempt), SolutionReader(family, list))
    assert [event.get("cut") for event in events(tmp_path) if event["event"] == "reply"] == [True, None, None]


def test_a_context_that_is_full_is_told_as_such(tmp_path: Path) -> None:
    full = "it was cut off: with its prompt, it filled the context of 4,096 tokens"
    with open_client(Scripted([Reply("params[0]", finish="length", filled_context=4096)]), tmp_path) as client:
        received = client.ask(QUESTION, accept)
    assert received.refusal == full
    assert received.told == f"{full}; show less in prompts (rollout_window, history_window), or use a longer context"


def test_an_unknown_end_is_recorded_and_named_once(tmp_path: Path) -> None:
    notes: list[str] = []
    ends = ["pause", "pause", "other", ""]
    script = [Reply("one", finish="unknown" if end else "stop", finish_said=end) for end in ends]
    with open_client(Scripted(script), tmp_path, on_note=notes.append) as client:
        for iteration, _ in enumerate(ends, 1):
            client.ask(replace(QUESTION, iteration=iteration), accept)
    assert [note.split("'")[1] for note in notes] == ["pause", "other"]
    said = [event.get("finish_said") for event in events(tmp_path) if event["event"] == "reply"]
    assert said == ["pause", "pause", "other", None]


def test_a_reply_is_read_once_when_it_comes_and_again_when_it_is_on_record(tmp_path: Path) -> None:
    read: list[str] = []
    for script in (["one"], []):
        with open_client(Scripted(script), tmp_path) as client:
            client.ask(QUESTION, read.append)
    assert read == ["one", "one"]


def test_a_reply_that_was_usable_and_no_longer_is_is_named(tmp_path: Path) -> None:
    with open_client(Scripted(["one"]), tmp_path) as client:
        client.ask(QUESTION, accept)
    with open_client(Scripted([]), tmp_path) as client, pytest.raises(InputError) as caught:
        client.ask(QUESTION, refuse)
    where = "the reply on record for iteration 1, search, attempt 1 was usable and no longer is: one is no good"
    assert str(caught.value) == f"{tmp_path / FILE}: {where}"


# ---- Retrying ----


def test_failures_are_retried_and_recorded(tmp_path: Path) -> None:
    waits: list[float] = []
    told: list[tuple[str, float]] = []
    with open_client(
        Scripted([busy(), busy(), "one"]),
        tmp_path,
        sleep=waits.append,
        on_failure=lambda failed, wait: told.append((failed.reason, wait)),
    ) as client:
        assert client.ask(QUESTION, accept).value == "one"
        assert client.store.failures == 2
    log = events(tmp_path)
    assert [event["event"] for event in log] == ["request", "failure", "failure", "reply"]
    assert [(event["attempt"], event["reason"], event["status"]) for event in log[1:3]] == [
        (1, "server is busy", 503),
        (2, "server is busy", 503),
    ]
    assert told == [("server is busy", wait) for wait in waits]
    assert len(waits) == 2


def test_waits_grow_up_to_a_minute(tmp_path: Path) -> None:
    waits: list[float] = []
    provider = Scripted([busy() for _ in range(10)] + ["one"])
    with open_client(provider, tmp_path, sleep=waits.append, max_attempts=20) as client:
        client.ask(QUESTION, accept)
    for number, wait in enumerate(waits):
        least = min(FIRST_WAIT_S * 2**number, LONGEST_WAIT_S)
        assert least <= wait <= min(least + FIRST_WAIT_S, LONGEST_WAIT_S)
    assert waits[-1] == LONGEST_WAIT_S


@pytest.mark.parametrize("attempts", [1, 2, 8])
def test_the_attempts_are_limited(attempts: int, tmp_path: Path) -> None:
    provider, waits = Scripted([busy() for _ in range(20)]), list[float]()
    settings: dict[str, Any] = {"max_attempts": attempts, "sleep": waits.append}
    with open_client(provider, tmp_path, **settings) as client, pytest.raises(CallFailed) as caught:
        client.ask(QUESTION, accept)
    assert len(provider.requests) == attempts
    assert len(waits) == attempts - 1
    assert caught.value.retryable
    tried = f" ({attempts} attempts)" if attempts > 1 else ""
    assert str(caught.value) == f"server is busy{tried}"
    assert [event["event"] for event in events(tmp_path)] == ["request", *["failure"] * attempts, "gave_up"]


@pytest.mark.parametrize("limit", [0.0, 0.5, 5.0, 100.0])
def test_the_waiting_is_limited(limit: float, tmp_path: Path) -> None:
    waits: list[float] = []
    provider = Scripted([busy() for _ in range(50)])
    settings: dict[str, Any] = {"max_attempts": 50, "max_wait_s": limit, "sleep": waits.append}
    with open_client(provider, tmp_path, **settings) as client, pytest.raises(CallFailed):
        client.ask(QUESTION, accept)
    assert sum(waits) <= limit
    assert len(provider.requests) == len(waits) + 1 < 50
    assert sum(waits) + LONGEST_WAIT_S + FIRST_WAIT_S > limit


def test_the_server_may_ask_for_a_longer_wait(tmp_path: Path) -> None:
    waits: list[float] = []
    with open_client(Scripted([busy(90.0), busy(0.001), "one"]), tmp_path, sleep=waits.append) as client:
        client.ask(QUESTION, accept)
    assert waits[0] == 90.0
    assert waits[1] >= FIRST_WAIT_S


def test_a_wait_that_is_too_long_is_not_begun(tmp_path: Path) -> None:
    waits: list[float] = []
    settings: dict[str, Any] = {"max_wait_s": 600.0, "sleep": waits.append}
    with open_client(Scripted([busy(86_400.0)]), tmp_path, **settings) as client, pytest.raises(CallFailed) as caught:
        client.ask(QUESTION, accept)
    assert waits == []
    assert str(caught.value) == "server is busy; the server asks to wait 86,400 s, and llm_max_wait_s is 600"
    assert caught.value.retryable


def test_an_end_of_the_waiting_is_told(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"max_wait_s": 0.0, "sleep": lambda _: None}
    with open_client(Scripted([busy()]), tmp_path, **settings) as client, pytest.raises(CallFailed) as caught:
        client.ask(QUESTION, accept)
    assert str(caught.value) == "server is busy; llm_max_wait_s is 0"


def test_a_permanent_failure_is_not_retried(tmp_path: Path) -> None:
    provider = Scripted([busy(), forbidden()])
    with open_client(provider, tmp_path) as client, pytest.raises(CallFailed) as caught:
        client.ask(QUESTION, accept)
    assert str(caught.value) == "key refused (2 attempts)"
    assert len(provider.requests) == 2
    assert not caught.value.retryable
    assert caught.value.replies == 0
    assert [event["event"] for event in events(tmp_path)] == ["request", "failure", "failure", "gave_up"]


def test_a_bug_in_a_provider_is_no_failed_attempt(tmp_path: Path) -> None:
    class Broken(Scripted):
        def complete(self, request: Any) -> Reply:
            raise ZeroDivisionError

    with open_client(Broken([]), tmp_path) as client, pytest.raises(ZeroDivisionError):
        client.ask(QUESTION, accept)


def test_a_call_that_was_given_up_is_made_again_by_the_next_process(tmp_path: Path) -> None:
    with open_client(Scripted([forbidden()]), tmp_path) as client, pytest.raises(CallFailed):
        client.ask(QUESTION, accept)
    with open_client(Scripted(["one"]), tmp_path) as client:
        assert client.store.interrupted == 0
        assert client.ask(QUESTION, accept).value == "one"


def test_the_latency_of_recorded_replies_is_that_of_their_first_time(tmp_path: Path) -> None:
    with open_client(Scripted(["one"]), tmp_path) as client:
        first = client.ask(QUESTION, accept)
    with open_client(Scripted([]), tmp_path) as client:
        assert client.ask(QUESTION, accept).latency_s == first.latency_s > 0.0
