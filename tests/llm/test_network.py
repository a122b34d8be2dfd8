"""Connections that cannot be made: each says what to change, and is retried only if that may help."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from r2po.errors import InputError
from r2po.llm.registry import provider_for
from r2po.llm.transport import Transport
from r2po.llm.types import AttemptFailed, ProviderSettings
from tests.llm.fake_ollama import FakeOllama, raw, status

KEY = "a-key-of-some-length"


@pytest.fixture(autouse=True)
def _surroundings(no_proxies: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with FakeOllama() as server:
        yield server


def transport_to(url: str) -> Transport:
    return Transport(url, base_url_variable="SOME_BASE_URL", key_variable="SOME_API_KEY", key=KEY, timeout_s=10)


def failure_of(url: str) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as caught:
        transport_to(url).post_json("/api/chat", {})
    assert "\n" not in caught.value.reason
    return caught.value


def https(fake: FakeOllama) -> str:
    return fake.url.replace("http://", "https://")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bundle_without_certificates_is_named(
    fake: FakeOllama, variable: str, content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(variable, str(path))
    failure = failure_of(https(fake))
    assert not failure.retryable
    assert f"{variable} is {str(path)!r}, where no certificates can be read" in failure.reason


def test_a_bundle_without_certificates_is_no_server_that_is_down(
    fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/ca.pem")
    with pytest.raises(InputError, match="REQUESTS_CA_BUNDLE is '/no/such/ca") as caught:
        provider_for("ollama/tiny", ProviderSettings({"OLLAMA_BASE_URL": https(fake)})).check()
    assert "ollama serve" not in str(caught.value)


def test_a_bundle_is_not_looked_at_without_tls(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/ca.pem")
    assert transport_to(fake.url).get_json("/api/tags")


def test_a_server_without_tls(fake: FakeOllama) -> None:
    failure = failure_of(https(fake))
    assert not failure.retryable
    assert "the server does not speak TLS: http:// instead of https:// may be right" in failure.reason


@pytest.mark.parametrize(
    "answer",
    [
        raw(b"\x15\x03\x01\x00\x02\x02\x46"),  # an alert
        status(400, b"Client sent an HTTP request to an HTTPS server.\n"),
        status(400, b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"),
        status(400, b"<p>You're speaking plain HTTP to an SSL-enabled server port.</p>"),
    ],
)
def test_a_server_with_tls(fake: FakeOllama, answer: object) -> None:
    fake.always(answer)  # type: ignore[arg-type]
    failure = failure_of(fake.url)
    assert not failure.retryable
    assert "the server speaks TLS: use https:// instead of http://" in failure.reason


@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        ("socks5://me:hidden@127.0.0.1:9", "a SOCKS proxy needs the package PySocks: pip install pysocks"),
        ("socks4a://127.0.0.1:9", "pip install pysocks"),
        ("ftp://me:hidden@127.0.0.1:9", "there are no 'ftp' proxies; expected http, https or socks5"),
        ("http://me:hidden@", "not a valid address"),
        ("http://me:hidden", "not a valid address"),
        ("http://me:hidden@host:port", "not a valid address"),
    ],
)
@pytest.mark.parametrize("variable", ["ALL_PROXY", "http_proxy"])
def test_a_proxy_that_cannot_be_used_is_refused_at_once(
    variable: str, proxy: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(InputError, match=f"^{variable} is '") as caught:
        transport_to("http://models.example")
    assert problem in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "nonsense://", "127.0.0.1:9"])
def test_a_proxy_that_is_not_used_does_not_matter(
    fake: FakeOllama, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, proxy)
    assert transport_to(fake.url).get_json("/api/tags")


def test_a_proxy_without_tls_is_named(fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", https(fake))
    failure = failure_of("https://models.invalid")
    assert not failure.retryable
    assert "through the proxy set in the environment: it does not speak TLS: http:// instead" in failure.reason
