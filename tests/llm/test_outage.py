"""What makes an outage, when it is probed, and what ends it; there is no clock but the numbers given here."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.llm.outage import (
    FIRST_INTERVAL_S,
    LONGEST_INTERVAL_S,
    OVERLOAD_S,
    Breaker,
    Sign,
    in_words,
    is_sign,
    probe,
)
from r2po.llm.providers.ollama import Ollama
from r2po.llm.providers.server import UnreachableError
from r2po.llm.registry import provider_for
from r2po.llm.types import AttemptFailed, ProviderSettings
from tests.llm.fake_ollama import FakeOllama, hang_up, raw, stall, status
from tests.llm.fake_servers import SERVERS
from tests.scripted import make_request

DAY_S = 86_400.0
REFUSED = Sign("connection refused")


def breaker(longest_s: float = DAY_S) -> Breaker:
    return Breaker(longest_s, Random(1))


def out(longest_s: float = DAY_S, now: float = 0.0) -> Breaker:
    """Return one in an outage."""
    it = breaker(longest_s)
    it.sign("a", now, REFUSED, run=1, alone=False)
    assert it.sign("b", now, REFUSED, run=2, alone=False)
    return it


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ({"unreachable": True}, True),
        ({"status": 502}, True),
        ({"status": 503}, True),
        ({"status": 504}, True),
        ({"status": 529}, True),
        ({"status": 503, "retry_after_s": 60.0}, True),
        ({"status": 503, "retry_after_s": DAY_S}, True),
        ({"status": 500}, False),
        ({"status": 429}, False),
        ({"status": 408}, False),
        ({"status": 200}, False),
        ({}, False),  # a timeout, or a reset
        ({"status": 503, "retryable": False}, False),
    ],
)
def test_what_may_be_an_outage(failure: dict[str, Any], expected: bool) -> None:
    assert is_sign(AttemptFailed("it failed", **{"retryable": True, **failure})) is expected


def test_two_runs_make_an_outage_and_one_of_many_does_not() -> None:
    it = breaker()
    assert not it.sign("a", 0.0, REFUSED, run=1, alone=False)
    assert not it.sign("b", 1.0, REFUSED, run=1, alone=False)
    assert it.sign("c", 2.0, REFUSED, run=2, alone=False)
    assert it.since == 2.0


def test_one_of_many_makes_an_outage_with_three_signs_in_a_row() -> None:
    """The others may be rolling out, or waiting for an answer that does not come."""
    it = breaker()
    assert not it.sign("a", 0.0, REFUSED, run=1, alone=False)
    it.works("z", 0.5)
    assert not it.sign("b", 1.0, REFUSED, run=1, alone=False)
    assert not it.sign("c", 2.0, REFUSED, run=1, alone=False)
    it.slow("y", 2.5)
    assert it.sign("d", 3.0, REFUSED, run=1, alone=False)


def test_a_server_that_announces_a_long_pause_is_out_at_once_and_probed_after_it() -> None:
    it = breaker()
    assert not it.sign("a", 0.0, Sign("HTTP 503", 600.0), run=1, alone=False)
    it.works("b", 0.0)
    assert it.sign("c", 0.0, Sign("HTTP 503", 900.0), run=1, alone=False)
    assert it.wait_s(0.0) == 900.0
    it.probes("probe")
    assert it.sign("probe", 900.0, Sign("HTTP 503", 7200.0))  # an outage under way goes on
    assert it.wait_s(900.0) == 7200.0
    short = breaker(1000.0)
    assert short.sign("a", 0.0, Sign("HTTP 503", DAY_S))
    assert short.wait_s(0.0) == 1000.0  # --max-outage allows no longer


def test_of_a_run_that_is_alone_two_attempts_in_a_row_make_an_outage() -> None:
    it = breaker()
    assert not it.sign("a", 0.0, REFUSED)
    it.works("b", 1.0)
    assert not it.sign("c", 2.0, REFUSED)
    it.slow("d", 2.5)  # a timeout says neither that the server works nor that it is out
    assert it.sign("e", 3.0, REFUSED)


def test_refusals_for_too_many_calls_must_last() -> None:
    it, busy = breaker(), Sign("HTTP 529", overloaded=True)
    for number in range(10):
        assert not it.sign(number, number / 10, busy, run=number, alone=False)
    assert it.sign("late", OVERLOAD_S, busy, run=1, alone=False)


def test_without_outages_each_attempt_counts() -> None:
    it = breaker(0.0)
    assert not any(it.sign(number, float(number), REFUSED, run=number) for number in range(100))
    assert it.wait_s(100.0) == 0.0


def test_one_probe_at_a_time_and_only_its_success_ends_the_outage() -> None:
    it = out()
    wait_s = it.wait_s(0.0)
    assert wait_s is not None
    assert wait_s == pytest.approx(FIRST_INTERVAL_S, rel=0.11)
    it.probes("probe")
    assert it.wait_s(wait_s) is None
    assert not it.works("sent before", 3.0)
    assert it.is_open
    assert it.works("probe", 4.0)
    assert it.wait_s(4.0) == 0.0
    assert not it.sign("c", 5.0, REFUSED, run=3, alone=False)  # what was before is forgotten


def test_an_answer_to_an_earlier_call_is_reason_to_probe_at_once() -> None:
    it = out()
    assert it.wait_s(1.0) != 0.0
    it.works("sent before", 1.0)
    assert it.wait_s(1.0) == 0.0
    assert it.is_open


@pytest.mark.parametrize("how", ["slow", "works"])
def test_a_probe_that_finds_a_faulty_server_ends_the_outage(how: str) -> None:
    it = out()
    it.probes("probe")
    assert getattr(it, how)("probe", 5.0)
    assert not it.is_open


def test_a_probe_whose_run_is_gone_is_made_by_another() -> None:
    it = out()
    it.probes("probe")
    it.lost("probe", 10.0)
    assert it.wait_s(10.0) == pytest.approx(0.25 * 10.0, rel=0.11)


def test_a_server_may_ask_for_a_longer_pause() -> None:
    it = out()
    it.probes("probe")
    it.sign("probe", 2.0, Sign("HTTP 503", 100.0))
    assert it.wait_s(2.0) == 100.0


@given(seed=st.integers(0, 1000), longest_s=st.floats(1.0, 1e6), lasts_s=st.floats(0.0, 1e6))
def test_it_is_noticed_soon_that_an_outage_is_over_with_few_probes(seed: int, longest_s: float, lasts_s: float) -> None:
    """Pauses are at most 27.5 % of the time that has passed; probes grow with its logarithm, then one an hour."""
    it, now, probes = Breaker(longest_s, Random(seed)), 0.0, 0
    it.begin(now, "connection refused")
    while not it.gave_up:
        wait_s = it.wait_s(now)
        assert wait_s is not None
        assert wait_s <= min(max(1.1 * FIRST_INTERVAL_S, 0.275 * now), LONGEST_INTERVAL_S) + 1e-9
        now += wait_s
        assert now <= longest_s + 1e-6
        it.probes(probes)
        probes += 1
        if now >= lasts_s:
            assert it.works(probes - 1, now)
            assert now - lasts_s <= max(1.1 * FIRST_INTERVAL_S, 0.275 * now)
            return
        it.sign(probes - 1, now, REFUSED)
        assert probes < 1.5 + now / FIRST_INTERVAL_S
        assert probes < 80 + now / 3000
    assert now == pytest.approx(longest_s)
    assert it.wait_s(now) == 0.0  # who waits is to hear it now


def test_an_outage_that_takes_too_long_is_given_up_for_good() -> None:
    it = out(longest_s=10.0)
    it.probes("probe")
    it.sign("probe", 9.9, REFUSED)
    assert it.wait_s(9.9) == pytest.approx(0.1)  # one last probe, at the end
    it.probes("last")
    it.sign("last", 10.0, REFUSED)
    assert it.gave_up
    assert it.why_given_up == "no answer for 10 s, and --max-outage allows no longer: connection refused"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (86_400.0, "24 h"),
        (1_209_601.0, "1209601 s"),
        (600.0, "10 min"),
        (90.0, "90 s"),
        (0.5, "0.5 s"),
        (0.0, "0 s"),
        (3600.0, "1 h"),
    ],
)
def test_durations_in_words(seconds: float, text: str) -> None:
    assert in_words(seconds) == text


def ollama(url: str) -> Ollama:
    return Ollama("tiny", ProviderSettings({"OLLAMA_BASE_URL": url}, timeout_s=5.0))


@pytest.mark.parametrize(
    ("code", "is_out"), [(200, False), (404, False), (401, False), (429, False), (500, False), (503, True), (529, True)]
)
def test_a_probe_asks_for_the_list_of_models_and_for_nothing_that_costs(code: int, is_out: bool) -> None:
    with FakeOllama() as server:
        server.always(status(code, {"models": []}), path="/api/tags")
        assert (probe(ollama(server.url)) is not None) is is_out
        assert [(each.method, each.path) for each in server.requests] == [("GET", "/api/tags")]


def test_at_the_first_contact_a_connection_that_takes_too_long_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told from an answer that takes too long. Linux drops what asks for a connection to a full queue."""
    monkeypatch.setattr("r2po.llm.providers.wire.CHECK_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as open_until_the_end:
        for _ in range(2):
            waiting = open_until_the_end.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        with pytest.raises(UnreachableError, match="no connection in time") as caught:
            ollama(f"http://127.0.0.1:{full.getsockname()[1]}").check()
        assert caught.value.is_out


@pytest.mark.parametrize("name", SERVERS)
def test_each_wire_format_has_a_list_to_probe_with(name: str) -> None:
    with SERVERS[name]() as server:
        provider_for(server.model, ProviderSettings(server.environ, timeout_s=5.0)).probe()
        assert [each.method for each in server.requests] == ["GET"]
        assert server.chats == []


def test_a_list_that_takes_too_long_does_not_say_that_the_server_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("r2po.llm.providers.wire.CHECK_TIMEOUT_S", 0.1)
    for fault in (stall(), hang_up(), raw(b"no HTTP")):
        with FakeOllama() as server:
            server.always(fault, path="/api/tags")
            assert probe(ollama(server.url)) is None


def test_a_server_that_is_gone_is_unreachable_and_one_that_breaks_off_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    sign = probe(ollama(f"http://127.0.0.1:{port}"))
    assert sign is not None
    assert sign.reason.endswith("connection refused")
    for url, unreachable in ((f"http://127.0.0.1:{port}", True), ("http://no.such.host.invalid", True)):
        with pytest.raises(AttemptFailed) as caught:
            ollama(url).complete(make_request("prompt"))
        assert caught.value.unreachable is unreachable
    with FakeOllama() as server:
        server.always(lambda handler: setattr(handler, "close_connection", True))
        with pytest.raises(AttemptFailed) as caught:
            ollama(server.url).complete(make_request("prompt"))
        assert not caught.value.unreachable
        assert not is_sign(caught.value)
