"""What failures mean: of the network, of HTTP, and in the error objects of servers."""

from __future__ import annotations

import http.client
import math
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import requests
import urllib3

_MESSAGE_LENGTH = 300

# Any other 4xx, and "not implemented", stays the same however often the request is repeated.
_RETRYABLE_4XX = frozenset({408, 429})
_PERMANENT_5XX = frozenset({501, 505})
_QUOTA_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "exceeded_current_quota_error"}
)


class BodyTooLongError(requests.RequestException):
    """The answer is longer than is accepted."""


def is_retryable(status: int) -> bool:
    """Whether the same request may succeed later, judging by the status of the answer."""
    return status in _RETRYABLE_4XX or (status >= 500 and status not in _PERMANENT_5XX)


NETWORK_ERRORS = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError)  # requests' errors are OSErrors

# First match, among an error and all errors that it wraps: (types, what to say, whether another attempt may succeed).
_NETWORK_FAILURES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str, bool], ...] = (
    (BodyTooLongError, "the answer is too long", True),
    ((requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError), "the address cannot be used", False),
    (ssl.SSLCertVerificationError, "the server's certificate is not trusted", False),
    (requests.exceptions.ConnectTimeout, "no connection in time", True),
    (socket.gaierror, "the host name was not found", True),
    (ConnectionRefusedError, "connection refused", True),
    (http.client.RemoteDisconnected, "the server closed the connection without an answer", True),
    (ConnectionError, "the connection was reset", True),
    ((TimeoutError, requests.exceptions.Timeout), "no answer in time", True),
    ((http.client.IncompleteRead, requests.exceptions.ChunkedEncodingError), "the answer broke off", True),
    (requests.exceptions.ContentDecodingError, "the answer's compression is damaged", True),
    (http.client.HTTPException, "the answer is not HTTP", True),
)


def network_failure(error: BaseException) -> tuple[str, bool]:
    """Return what to say of an error, and whether another attempt may succeed."""
    wrapped = list(_wrapped(error))
    proxy = any(isinstance(each, requests.exceptions.ProxyError) for each in wrapped)
    for types, reason, retryable in _NETWORK_FAILURES:
        if any(isinstance(each, types) for each in wrapped):
            return (f"through the proxy set in the environment: {reason}" if proxy else reason), retryable
    return f"the connection failed ({type(error).__name__})", True


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


def error_message(payload: Any, depth: int = 4) -> str:
    """Return the message in a server's error object, or an empty string.

    The usual shapes are ``{"error": "..."}``, ``{"error": {"message": "..."}}``, ``{"message": "..."}`` and
    ``{"detail": [{"msg": "..."}]}``, each possibly in a list.
    """
    if isinstance(payload, str):
        return payload
    if isinstance(payload, list):
        payload = payload[0] if payload else None
    if isinstance(payload, dict) and depth:
        texts = (error_message(payload.get(key), depth - 1) for key in ("error", "message", "detail", "msg"))
        return next(filter(None, texts), "")
    return ""


def is_quota_exhausted(payload: Any) -> bool:
    """Tell an account without credit, which waiting does not help, from a rate limit; both come as a 429."""
    if not isinstance(payload, dict):
        return False
    error = payload.get("error")
    places = [payload, error] if isinstance(error, dict) else [payload]
    codes = [error, *(place.get(name) for place in places for name in ("code", "type"))]
    if any(isinstance(code, str) and code in _QUOTA_CODES for code in codes):
        return True
    quotas = (quota for detail in _details(payload) for quota in _objects(detail.get("violations")))
    return any("PerDay" in str(quota.get("quotaId")) for quota in quotas)


def is_key_refused(payload: Any) -> bool:
    """Whether Google's servers refuse the key: they do not say so by the status."""
    return any(detail.get("reason") == "API_KEY_INVALID" for detail in _details(payload))


def asked_wait_s(headers: Mapping[str, str], payload: Any) -> float | None:
    """Return the seconds that a server asks to wait, in a header or, as Google's, in the error object."""
    delays = (detail.get("retryDelay") for detail in _details(payload))
    delay = next((delay.removesuffix("s") for delay in delays if isinstance(delay, str)), None)
    return parse_retry_after(headers.get("Retry-After") or delay)


def _details(payload: Any) -> list[dict[str, Any]]:
    error = payload.get("error") if isinstance(payload, dict) else None
    return _objects(error.get("details")) if isinstance(error, dict) else []


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def plain_text(body: bytes) -> str:
    """Return an error body of no known shape, unless it is an HTML page."""
    text = body[:10_000].decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else text


_ANSI_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def one_line(text: str) -> str:
    """Return text as one printable line of at most 300 characters: no control, colour or direction codes."""
    text = _ANSI_SEQUENCE.sub(" ", text[:10_000])
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _MESSAGE_LENGTH else text[: _MESSAGE_LENGTH - 1] + "…"


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks to wait, given as a number or a date; None if unusable."""
    value = (value or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if until.tzinfo is None:  # a date in "-0000" means UTC
        until = until.replace(tzinfo=timezone.utc)
    return max(0.0, (until - datetime.now(timezone.utc)).total_seconds())
