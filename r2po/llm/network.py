"""What failures of the network mean, and what to do about them."""

from __future__ import annotations

import errno
import http.client
import os
import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

import requests
import urllib3

from r2po.errors import InputError
from r2po.llm.address import shown
from r2po.llm.key_hosts import is_loopback, plain_host

NETWORK_ERRORS = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError)  # requests' errors are OSErrors
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # the first that is set counts

_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)
_BAD_BUNDLE = frozenset({"NO_CERTIFICATE_OR_CRL_FOUND", "NO_START_LINE", "BAD_BASE64_DECODE", "BAD_END_LINE"})
_USE_HTTP = "does not speak TLS: http:// instead of https:// may be right"
_USE_HTTPS = "the server speaks TLS: use https:// instead of http://"
_WANTS_TLS = re.compile(
    rb"HTTP request (?:to an HTTPS server|was sent to (?:an )?HTTPS port)|plain HTTP to an SSL", re.I
)
_PROXY_SCHEMES = ("http", "https")
_SOCKS_SCHEMES = ("socks4", "socks4a", "socks5", "socks5h")
_NO_CONNECTION = (socket.gaierror, ConnectionRefusedError, requests.exceptions.ConnectTimeout)
_NO_WAY_THERE = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH})


class BodyTooLongError(requests.RequestException):
    """The answer is longer than is accepted."""


# First match, among an error and all errors that it wraps: (types, what to say, whether another attempt may succeed).
_FAILURES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str, bool], ...] = (
    (BodyTooLongError, "the answer is too long", True),
    ((requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError), "the address cannot be used", False),
    (requests.exceptions.ConnectTimeout, "no connection in time", True),
    (socket.gaierror, "the host name was not found", True),
    (ConnectionRefusedError, "connection refused", True),
    (http.client.RemoteDisconnected, "the server closed the connection without an answer", True),
    (ConnectionError, "the connection was reset", True),
    ((TimeoutError, requests.exceptions.Timeout), "no answer in time", True),
    ((http.client.IncompleteRead, requests.exceptions.ChunkedEncodingError), "the answer broke off", True),
    (
        (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError),
        "the answer's compression is damaged",
        True,
    ),
    (http.client.HTTPException, "the answer is not HTTP", True),
)


def network_failure(error: BaseException) -> tuple[str, bool]:
    """Return what to say of an error, and whether another attempt may succeed."""
    wrapped = list(_wrapped(error))
    reason, retryable = _tls_failure(wrapped) or _failure(wrapped)
    if any(isinstance(each, requests.exceptions.ProxyError) for each in wrapped):
        reason = f"through the proxy set in the environment: {reason}"
    return reason, retryable


def never_connected(error: BaseException) -> bool:
    """Whether there was no connection at all, so that nothing was sent; a reset may come after the request."""
    return any(
        isinstance(each, _NO_CONNECTION) or (isinstance(each, OSError) and each.errno in _NO_WAY_THERE)
        for each in _wrapped(error)
    )


def wants_tls(status: int, body: bytes) -> str:
    """Return what to do if a server says by this answer that it wants TLS, else an empty text."""
    return f"; {_USE_HTTPS}" if status == 400 and _WANTS_TLS.search(body[:10_000]) else ""


def _failure(wrapped: list[BaseException]) -> tuple[str, bool]:
    for types, reason, retryable in _FAILURES:
        if any(isinstance(each, types) for each in wrapped):
            return reason, retryable
    texts = [text for each in wrapped if (text := getattr(each, "strerror", None) or str(each))]
    said = re.sub(r"://[^/\s]*@", "://", str(texts[-1])) if texts else ""
    return f"the connection failed ({type(wrapped[0]).__name__}{': ' + said if said else ''})", True


def _tls_failure(wrapped: list[BaseException]) -> tuple[str, bool] | None:
    bundle = next((name for name in BUNDLE_VARIABLES if os.environ.get(name)), "")
    where = f"{bundle} is {os.environ[bundle]!r}" if bundle else ""
    reasons = {getattr(each, "reason", None) for each in wrapped if isinstance(each, ssl.SSLError)}
    no_bundle = any("TLS CA certificate bundle" in str(each) for each in wrapped)
    unreadable = any(isinstance(each, PermissionError | IsADirectoryError) for each in wrapped)
    if bundle and (no_bundle or unreadable or reasons & _BAD_BUNDLE):
        return f"{where}, where no certificates can be read: correct it or remove it from the environment", False
    untrusted = next((each for each in wrapped if isinstance(each, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        why = f" ({untrusted.verify_message})" if getattr(untrusted, "verify_message", "") else ""
        return f"the server's certificate is not trusted{why}{'; ' + where if where else ''}", False
    if reasons & _NO_TLS:
        proxy = any(isinstance(each, requests.exceptions.ProxyError) for each in wrapped)
        return f"{'it' if proxy else 'the server'} {_USE_HTTP}", False
    if any(isinstance(each, http.client.BadStatusLine) and "\x15\x03" in str(each) for each in wrapped):
        return _USE_HTTPS, False
    if reasons:
        return f"no TLS connection ({', '.join(_words(reasons))})", True
    return None


def _words(reasons: Iterable[str | None]) -> list[str]:
    return sorted((reason or "unknown error").replace("_", " ").lower() for reason in reasons)


def _wrapped(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the errors inside it: requests and urllib3 keep them in ``args``, ``reason`` and the chain."""
    stack: list[object] = [error]
    seen: set[int] = set()
    while stack:
        each = stack.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            stack += [*each.args, getattr(each, "reason", None), each.__cause__, each.__context__]


def more_proxies(base_url: str) -> dict[str, str]:
    """Return what to add to the proxies of the environment: none of them reaches this machine's localhost."""
    host = urlsplit(base_url).hostname or ""
    plain = plain_host(host) or ""
    is_here = is_loopback(plain) or plain.endswith(".localhost")
    return {"no_proxy": host} if is_here else {}


def check_proxy(base_url: str, proxies: Mapping[str, str]) -> None:
    """Refuse a proxy of the environment that no request could go through.

    Raises:
        InputError: It names the variable, and what is expected.
    """
    others = requests.utils.get_environ_proxies(base_url, no_proxy=proxies.get("no_proxy"))
    proxy = requests.utils.select_proxy(base_url, others)
    problem = _proxy_problem(proxy) if proxy else ""
    if proxy and problem:
        names = (urlsplit(base_url).scheme + "_proxy", "all_proxy")
        variable = next((name for name in os.environ if name.lower() in names and os.environ[name] == proxy), "a proxy")
        raise InputError(f"{variable} is {shown(proxy)!r}, {problem}")


def _proxy_problem(proxy: str) -> str:
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        return "which is not a valid address; expected one like http://host:port"
    if parts.scheme in _SOCKS_SCHEMES and find_spec("socks") is None:
        return "and a SOCKS proxy needs the package PySocks: pip install pysocks, or remove it from the environment"
    if parts.scheme not in (*_PROXY_SCHEMES, *_SOCKS_SCHEMES):
        return f"and there are no {parts.scheme!r} proxies; expected {', '.join(_PROXY_SCHEMES)} or socks5"
    return ""
