"""The transport against real servers: each failure becomes the right outcome, and no key gets out."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.errors import InputError
from r2po.llm.failures import error_message, one_line, parse_retry_after
from r2po.llm.transport import Transport
from r2po.llm.types import AttemptFailed
from tests.llm.fake_ollama import FakeOllama, Fault, Handler, hang_up, raw, reset, stall, status, trickle, truncated

KEY = "sk-very-secret-0123456789"
PATH = "/api/chat"
BODY = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}


def transport_to(url: str, **changes: Any) -> Transport:
    settings: dict[str, Any] = {
        "base_url_variable": "SOME_BASE_URL",
        "key_variable": "SOME_API_KEY",
        "key": KEY,
        "headers": {"Authorization": f"Bearer {KEY}"},
        "timeout_s": 5.0,
    }
    return Transport(url, **{**settings, **changes})


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with FakeOllama() as server:
        yield server


def failure_of(fake: FakeOllama, *faults: Fault, **changes: Any) -> AttemptFailed:
    fake.inject(*faults)
    with pytest.raises(AttemptFailed) as caught:
        transport_to(fake.url, **changes).post_json(PATH, BODY)
    assert "\n" not in caught.value.reason
    return caught.value


def test_an_object_comes_back_and_the_request_carries_what_it_should(fake: FakeOllama) -> None:
    assert transport_to(fake.url).post_json(PATH, BODY)["message"]["content"] == "fine"
    (request,) = fake.requests
    assert (request.method, request.path, request.body) == ("POST", PATH, BODY)
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Content-Type"] == "application/json"


def test_one_connection_serves_all_calls(fake: FakeOllama) -> None:
    transport = transport_to(fake.url)
    for _ in range(3):
        transport.post_json(PATH, BODY)
    transport.get_json("/api/tags")
    assert len({request.client_port for request in fake.requests}) == 1


def test_no_cookie_is_kept(fake: FakeOllama) -> None:
    fake.inject(status(200, {}, {"Set-Cookie": "session=1; Path=/"}))
    transport = transport_to(fake.url)
    for _ in range(2):
        transport.post_json(PATH, BODY)
    assert all("Cookie" not in request.headers for request in fake.requests)


def test_a_connection_is_kept_after_a_refusal(fake: FakeOllama) -> None:
    fake.inject(status(503, {"error": "busy"}))
    transport = transport_to(fake.url)
    with pytest.raises(AttemptFailed):
        transport.post_json(PATH, BODY)
    transport.post_json(PATH, BODY)
    assert len({request.client_port for request in fake.requests}) == 1


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504, 529])
def test_a_busy_or_broken_server_is_worth_another_attempt(fake: FakeOllama, code: int) -> None:
    failure = failure_of(fake, status(code, {"error": {"message": "come back later"}}))
    assert failure.retryable
    assert failure.status == code
    assert failure.retry_after_s is None
    assert "come back later" in failure.reason
    assert str(code) in failure.reason


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (400, ""),
        (401, "check SOME_API_KEY"),
        (402, "credit"),
        (403, "check SOME_API_KEY"),
        (404, "check the model name and SOME_BASE_URL"),
        (405, ""),
        (413, ""),
        (422, ""),
        (501, ""),
    ],
)
def test_what_the_user_must_change_is_not_retried(fake: FakeOllama, code: int, advice: str) -> None:
    failure = failure_of(fake, status(code, {"error": "the server says why"}))
    assert not failure.retryable
    assert failure.status == code
    assert "the server says why" in failure.reason
    assert advice in failure.reason


def test_a_missing_key_is_said_to_be_missing(fake: FakeOllama) -> None:
    failure = failure_of(fake, status(401), key="", headers={})
    assert "set SOME_API_KEY" in failure.reason
    assert "not set" in failure.reason


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no more", "code": "insufficient_quota"}},
        {"error": {"message": "no more", "type": "insufficient_quota", "code": 429}},
        {"error": "insufficient_quota"},
        {"code": "billing_hard_limit_reached", "message": "no more"},
    ],
)
def test_an_exhausted_quota_is_no_rate_limit(fake: FakeOllama, body: Any) -> None:
    failure = failure_of(fake, status(429, body))
    assert not failure.retryable
    assert "quota" in failure.reason
    assert "SOME_API_KEY" in failure.reason


def test_retry_after_in_seconds_and_as_a_date(fake: FakeOllama) -> None:
    assert failure_of(fake, status(429, headers={"Retry-After": "7"})).retry_after_s == 7
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=60), usegmt=True)
    seconds = failure_of(fake, status(503, headers={"Retry-After": date})).retry_after_s
    assert seconds is not None
    assert 50 < seconds <= 60


@pytest.mark.parametrize("value", [None, "", "soon", "-3", "nan", "inf", "9" * 400, "Mon, 99 Foo 2026 25:00:00 GMT"])
def test_an_unusable_retry_after_is_none(value: str | None) -> None:
    assert parse_retry_after(value) is None


def test_retry_after_other_forms() -> None:
    assert parse_retry_after(" 0.5 ") == 0.5
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 -0000") == 0


@given(st.text())
def test_any_retry_after_is_survived(value: str) -> None:
    seconds = parse_retry_after(value)
    assert seconds is None or 0 <= seconds < float("inf")


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(AttemptFailed, match="connection refused") as caught:
        transport_to(url).post_json(PATH, BODY)
    assert caught.value.retryable
    assert caught.value.status is None
    assert url in caught.value.reason


def test_an_unknown_host() -> None:
    with pytest.raises(AttemptFailed) as caught:
        transport_to("http://no-such-host.invalid").post_json(PATH, BODY)
    assert caught.value.retryable
    assert caught.value.status is None


@pytest.mark.parametrize("host", ["a..b", "*x", "a" * 80 + ".com"])
def test_a_host_that_cannot_exist(host: str) -> None:
    with pytest.raises(AttemptFailed, match="address cannot be used") as caught:
        transport_to(f"http://{host}").post_json(PATH, BODY)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (reset(), "reset"),
        (hang_up(), "closed the connection without an answer"),
        (truncated(), "broke off"),
        (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "not HTTP"),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{"), "broke off"),
        (status(200, b"not gzip", {"Content-Encoding": "gzip"}), "compression"),
        (status(200, b""), "empty"),
        (status(204), "empty"),
        (status(200, b"<html>Welcome to the hotel</html>"), "not JSON"),
        (status(200, b'{"message": {"cont'), "not JSON"),
        (status(200, b'{"a": 1}\n{"a": 2}\n'), "not JSON"),
        (status(200, b"[" * 200_000), "not JSON"),
        (status(200, b"1" * 10_000), "not JSON"),
        (status(200, '{"a": "ä"}'.encode("latin-1")), "not JSON in UTF-8"),
        (status(200, '{"a": 1}'.encode("utf-16")), "not JSON in UTF-8"),
        (status(200, [1, 2]), "not a JSON object"),
        (status(200, b"null"), "not a JSON object"),
    ],
)
def test_broken_answers_are_worth_another_attempt(fake: FakeOllama, fault: Fault, reason: str) -> None:
    failure = failure_of(fake, fault)
    assert failure.retryable
    assert reason in failure.reason
    assert fake.url in failure.reason


@pytest.mark.parametrize(
    "fault",
    [stall(), stall(after_headers=True), trickle(b" " * 1000, 0.02), raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")],
    ids=["no answer", "headers only", "a byte at a time", "half a header"],
)
def test_the_deadline_bounds_the_whole_call(fake: FakeOllama, fault: Fault) -> None:
    def wait_after(handler: Any) -> None:
        fault(handler)
        handler.server.fake.closing.wait()

    started = time.monotonic()
    failure = failure_of(fake, wait_after, timeout_s=0.3)
    assert 0.2 < time.monotonic() - started < 1.5
    assert failure.retryable
    assert failure.reason == f"{fake.url}{PATH}: no complete answer within 0.3 s"


def _late_trickle(handler: Handler) -> None:
    time.sleep(0.3)
    trickle(b" " * 1000, 0.02)(handler)


@pytest.mark.parametrize("fault", [trickle(b" " * 1000, 0.02), _late_trickle], ids=["in the body", "in the headers"])
def test_an_abandoned_exchange_ends_its_thread(fake: FakeOllama, fault: Fault) -> None:
    failure_of(fake, fault, timeout_s=0.2)
    deadline = time.monotonic() + 3
    while any(thread.name == "r2po-http" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_calls_go_on_after_a_timeout(fake: FakeOllama) -> None:
    fake.inject(stall())
    transport = transport_to(fake.url)
    with pytest.raises(AttemptFailed):
        transport.post_json(PATH, BODY, timeout_s=0.1)
    assert transport.post_json(PATH, BODY)["done"]


def test_a_slow_answer_within_the_limit_is_taken(fake: FakeOllama) -> None:
    fake.inject(trickle(b'{"done": true}', 0.02))
    assert transport_to(fake.url).post_json(PATH, BODY) == {"done": True}


def test_an_endless_body_is_given_up(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("r2po.llm.exchange.MAX_BODY_BYTES", 200_000)
    fake.inject(status(200, b" " * 300_000 + b"{}"))
    with pytest.raises(AttemptFailed, match="too long"):
        transport_to(fake.url).post_json(PATH, BODY)


def test_json_is_utf8_whatever_the_header_says(fake: FakeOllama) -> None:
    latin = {"Content-Type": "application/json; charset=latin-1"}
    fake.inject(status(200, '{"a": "größer → 大"}'.encode(), latin), status(200, b'\xef\xbb\xbf{"a": "bom"}', latin))
    transport = transport_to(fake.url)
    assert transport.post_json(PATH, BODY) == {"a": "größer → 大"}
    assert transport.post_json(PATH, BODY) == {"a": "bom"}


def test_half_surrogates_are_replaced_and_pairs_kept(fake: FakeOllama) -> None:
    fake.inject(status(200, rb'{"a": ["x\ud800y", "\ud83d\ude00"]}'))
    answer = transport_to(fake.url).post_json(PATH, BODY)
    assert answer == {"a": ["x\ufffdy", "\U0001f600"]}
    json.dumps(answer, ensure_ascii=False).encode()


def test_a_redirect_is_not_followed(fake: FakeOllama) -> None:
    with FakeOllama() as elsewhere:
        target = elsewhere.url.replace("http://", "http://me:hidden@") + PATH
        failure = failure_of(fake, status(307, headers={"Location": target}))
        assert not failure.retryable
        assert elsewhere.url + PATH in failure.reason
        assert "SOME_BASE_URL" in failure.reason
        assert "hidden" not in failure.reason
        assert elsewhere.requests == []


def test_netrc_does_not_replace_the_key(fake: FakeOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    transport_to(fake.url).post_json(PATH, BODY)
    transport_to(fake.url, key="", headers={}).post_json(PATH, BODY)
    assert fake.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    assert "Authorization" not in fake.requests[1].headers


def test_proxies_of_the_environment_are_used(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", fake.url)
    assert transport_to("http://models.invalid").post_json(PATH, BODY)["done"]
    assert fake.requests[0].path == f"http://models.invalid{PATH}"


def test_no_proxy_stands_before_localhost(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert transport_to(fake.url).post_json(PATH, BODY)["done"]
    assert transport_to(fake.url.replace("127.0.0.1", "localhost")).post_json(PATH, BODY)["done"]


def test_a_broken_proxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(AttemptFailed, match="proxy") as caught:
        transport_to("http://models.invalid").post_json(PATH, BODY)
    assert caught.value.retryable


@pytest.mark.parametrize("code", [400, 401, 404, 429, 500, 302])
@pytest.mark.parametrize(
    "echo", [f"bad key {KEY}!", f"Bearer {KEY} refused", f"a\x1b[31m{KEY}\x1b[0m", "x" * 290 + KEY]
)
def test_an_echoed_key_is_blanked(fake: FakeOllama, code: int, echo: str) -> None:
    failure = failure_of(fake, status(code, {"error": {"message": echo}}, {"Location": f"/login?key={KEY}"}))
    shown = "".join(traceback.format_exception(failure)) + repr(failure)
    assert KEY[:12] not in shown
    assert failure.__cause__ is None
    assert failure.__context__ is None


def test_a_key_echoed_in_a_broken_body_is_blanked(fake: FakeOllama) -> None:
    assert KEY not in failure_of(fake, status(200, f"hello {KEY}".encode())).reason
    assert KEY not in failure_of(fake, status(500, f"hello {KEY}".encode())).reason


def test_a_key_echoed_as_part_of_an_address_is_blanked(fake: FakeOllama) -> None:
    key = "se/cr+et=="
    failure = failure_of(fake, status(400, {"error": "bad query key=se%2Fcr%2Bet%3D%3D"}), key=key, headers={})
    assert failure.reason.endswith("key=[key]")


def test_network_errors_carry_no_request(fake: FakeOllama) -> None:
    failure = failure_of(fake, reset())
    assert failure.__cause__ is None
    assert failure.__context__ is None
    assert KEY not in repr(transport_to(fake.url))


def test_a_password_in_the_address_authenticates_and_stays_hidden(fake: FakeOllama) -> None:
    url = fake.url.replace("http://", "http://me:hid%20den@")
    transport = transport_to(url, key="", headers={})
    transport.post_json(PATH, BODY)
    token = base64.b64encode(b"me:hid den").decode()
    assert fake.requests[0].headers["Authorization"] == f"Basic {token}"
    fake.inject(status(401, {"error": f"no entry for hid den, hid%20den or {token}"}))
    with pytest.raises(AttemptFailed) as caught:
        transport.post_json(PATH, BODY)
    for secret in ("hid den", "hid%20den", token):
        assert secret not in caught.value.reason + repr(transport)
    assert fake.url in caught.value.reason


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("localhost:11434", "does not start with http"),
        ("127.0.0.1", "does not start with http"),
        ("ftp://host", "does not start with http"),
        ("http://", "names no host"),
        ("http://:11434", "names no host"),
        ("http://host:port", "not a valid address"),
        ("http://host:99999", "not a valid address"),
        ("http://[::1", "not a valid address"),
        ("http://ho st", "character"),
        ("http://host\x07", "character"),
        ("http://host/?key=1", "query"),
        ("me:hidden@host:1", "does not start with http"),
        ("http://me:hid/hidden@host:1", "not a valid address"),
    ],
)
def test_an_unusable_address_is_refused_at_once(url: str, problem: str) -> None:
    with pytest.raises(InputError, match="SOME_BASE_URL") as caught:
        transport_to(url)
    assert problem in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("key", ["line\nbreak-secret", "söcret-secret", "tab\tsecret"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(InputError, match="SOME_API_KEY") as caught:
        transport_to("http://localhost", key=key, headers={"Authorization": f"Bearer {key}"})
    assert "secret" not in str(caught.value)


def test_a_slash_at_the_end_of_the_address_does_not_matter(fake: FakeOllama) -> None:
    transport_to(f"  {fake.url}/ ").post_json(PATH, BODY)
    assert fake.requests[0].path == PATH


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"error": "short"}, "short"),
        ({"error": {"message": "long", "code": 3}}, "long"),
        ([{"error": {"message": "listed"}}], "listed"),
        ({"message": "plain"}, "plain"),
        ({"detail": [{"msg": "field required", "loc": ["body"]}]}, "field required"),
        ({"error": None, "message": "other"}, "other"),
        ({"error": {"code": 3}}, ""),
        ({}, ""),
        (None, ""),
        (7, ""),
    ],
)
def test_error_messages_of_all_shapes(payload: Any, message: str) -> None:
    assert error_message(payload) == message


def test_an_error_without_json_is_passed_on_and_a_page_is_not(fake: FakeOllama) -> None:
    assert failure_of(fake, status(400, b"too hot\nto handle")).reason.endswith("HTTP 400: too hot to handle")
    assert failure_of(fake, status(502, b"<html><h1>Bad</h1></html>")).reason.endswith("HTTP 502")


@given(st.text() | st.text(alphabet="a \n\x1b[31m\u202e\ud800"))
def test_one_line_is_short_and_printable(text: str) -> None:
    line = one_line(text)
    assert len(line) <= 300
    assert line.isprintable()
    assert one_line(line) == line


def test_a_long_message_is_cut(fake: FakeOllama) -> None:
    reason = failure_of(fake, status(400, {"error": "\x1b[1mvery\r\n" + "long " * 1000})).reason
    assert "very long long" in reason
    assert len(reason) < 400


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes_through_at_once(fake: FakeOllama, interrupt: type[BaseException]) -> None:
    def raise_it(*_: Any) -> None:
        raise interrupt

    fake.inject(stall())
    before = signal.signal(signal.SIGUSR1, raise_it)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1))
    started = time.monotonic()
    try:
        timer.start()
        with pytest.raises(interrupt):
            transport_to(fake.url, timeout_s=2.0).post_json(PATH, BODY)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert time.monotonic() - started < 1
