"""What errors of the network are said to be."""

from __future__ import annotations

import errno
import http.client
import ssl

import pytest
import requests

from r2po.llm.network import BUNDLE_VARIABLES, check_proxy, network_failure, never_connected


def test_a_certificate_that_is_not_trusted_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BUNDLE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    assert network_failure(requests.exceptions.SSLError(error)) == (
        "the server's certificate is not trusted (certificate has expired)",
        False,
    )
    monkeypatch.setenv("CURL_CA_BUNDLE", "/my/ca.pem")
    assert network_failure(error)[0].endswith("; CURL_CA_BUNDLE is '/my/ca.pem'")


def test_a_socks_proxy_with_its_package_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("r2po.llm.network.find_spec", lambda _: object())
    monkeypatch.setenv("ALL_PROXY", "socks5h://me:hidden@127.0.0.1:9")
    check_proxy("http://models.example", {})


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(113, "No route to host"), "the connection failed (OSError: No route to host)"),
        (
            requests.exceptions.InvalidSchema("No connection adapters for 'x://me:hidden@host'"),
            "the connection failed (InvalidSchema: No connection adapters for 'x://host')",
        ),
        (requests.exceptions.ConnectionError(OSError(101, "Network is unreachable")), "Network is unreachable)"),
        (http.client.HTTPException(), "the answer is not HTTP"),
        (OSError(), "the connection failed (OSError)"),
        (ssl.SSLError(1, "handshake failure"), "no TLS connection"),
    ],
)
def test_any_other_failure_says_what_the_system_said(error: Exception, said: str) -> None:
    reason, retryable = network_failure(error)
    assert said in reason
    assert retryable


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENETDOWN, True),
        (errno.ENETUNREACH, True),
        (errno.EHOSTDOWN, True),
        (errno.EHOSTUNREACH, True),
        (errno.ECONNREFUSED, True),
        (errno.ECONNRESET, False),
        (errno.EPIPE, False),
        (errno.EMFILE, False),
    ],
)
def test_whether_there_was_a_connection(number: int, expected: bool) -> None:
    error = OSError(number, "it failed")
    assert never_connected(requests.exceptions.ConnectionError(error)) is expected
