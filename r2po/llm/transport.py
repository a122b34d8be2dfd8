"""JSON over HTTP, the same for every provider: it knows HTTP and its failures, and no wire format.

Every failure becomes an ``AttemptFailed`` with one line that a person can act on. Nothing that leaves this module
contains the key: not a reason, not a repr, not a chained exception.
"""

from __future__ import annotations

import base64
import http.client
import json
import math
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import requests
import urllib3

from r2po.errors import InputError
from r2po.llm.types import AttemptFailed

MAX_BODY_BYTES = 64 * 2**20
CONNECT_TIMEOUT_S = 10.0

_MESSAGE_LENGTH = 300
_MIN_SECRET_LENGTH = 4  # servers without keys are given dummies like "x"; blanking every x would garble the messages

# Any other 4xx and "not implemented" stay what they are however often they are asked.
_RETRYABLE_4XX = frozenset({408, 429})
_PERMANENT_5XX = frozenset({501, 505})
_MIN_SECRET_LENGTH_IN_ANSWERS = 16  # a key is longer; a dummy may well be a word or number that a model uses
_QUOTA_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "exceeded_current_quota_error"}
)


class Transport:
    """Connections to one server, kept open between calls. Any number of threads may use it.

    Proxies and certificates come from the environment, as for any program built on ``requests``; a ``.netrc`` is
    ignored, since it would replace the key. Redirects are not followed, since the key would go along.

    Args:
        base_url: Address that every path is appended to. ``user:password@`` in it becomes basic authentication.
        base_url_variable: Environment variable that chooses the address, named in messages.
        key_variable: Environment variable that holds the key, named in messages.
        key: The key, to keep it out of messages; it is sent only if ``headers`` carry it.
        headers: Sent with every request.
        timeout_s: Seconds that a call may take from its start to the last byte of the answer.
        max_body_bytes: Longest answer accepted, after decompression.

    Raises:
        InputError: The address or a header cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        base_url_variable: str,
        key_variable: str,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 300.0,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self.base_url, userinfo = _parse_base_url(base_url, base_url_variable)
        self.timeout_s = timeout_s
        self._base_url_variable = base_url_variable
        self._key_variable = key_variable
        self._has_key = bool(key)
        self._max_body_bytes = max_body_bytes
        sent = {"Accept": "application/json", "User-Agent": "r2po", **_basic_authorization(userinfo), **(headers or {})}
        _check_headers(sent, key_variable)
        self._secrets = _secrets(key, userinfo)
        self._session = _session(sent)
        self._proxies = _proxies(self.base_url)

    def __repr__(self) -> str:
        return f"Transport({self.base_url!r})"

    def post_json(self, path: str, body: Mapping[str, Any], *, timeout_s: float | None = None) -> dict[str, Any]:
        """Post an object and return the object that comes back.

        Args:
            path: Appended to the base URL; starts with a slash.
            body: The object to send.
            timeout_s: Limit in seconds for this call alone.

        Raises:
            AttemptFailed: Anything but a 2xx answer with a JSON object in time.
        """
        answer = self._exchange("POST", path, json.dumps(body, allow_nan=False).encode(), timeout_s)
        value = self._json(path, answer)
        if not isinstance(value, dict):
            raise self._unusable(path, answer, "not a JSON object")
        return value

    def get_json(self, path: str, *, timeout_s: float | None = None) -> Any:
        """Get any JSON value.

        Args:
            path: Appended to the base URL; starts with a slash.
            timeout_s: Limit in seconds for this call alone.

        Raises:
            AttemptFailed: Anything but a 2xx answer with JSON in time.
        """
        return self._json(path, self._exchange("GET", path, None, timeout_s))

    def close(self) -> None:
        """Close the kept connection."""
        self._session.close()

    def redact(self, text: str) -> str:
        """Return a server's text as one short printable line without any key in it."""
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return one_line(text)

    def _blank(self, text: str) -> str:
        for secret in self._secrets:
            if len(secret) >= _MIN_SECRET_LENGTH_IN_ANSWERS:
                text = text.replace(secret, "[key]")
        return text

    def _exchange(self, method: str, path: str, body: bytes | None, timeout_s: float | None) -> _Answer:
        limit = self.timeout_s if timeout_s is None else timeout_s
        headers = {} if body is None else {"Content-Type": "application/json"}
        exchange = _Exchange(
            lambda: self._session.request(
                method,
                self.base_url + path,
                data=body,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=(min(CONNECT_TIMEOUT_S, limit), limit + 1),  # the caller's deadline comes first
                proxies=self._proxies,
            ),
            self._max_body_bytes,
        )
        in_time = exchange.run(limit)
        if in_time and exchange.answer is not None:
            return self._accepted(path, exchange.answer)
        # Raised here and not where the error was caught, so that no context drags the request and its headers along.
        if not in_time or exchange.error is None:
            reason, retryable = f"no complete answer within {limit:g} s", True
        elif isinstance(exchange.error, _NETWORK_ERRORS):
            reason, retryable = _network_failure(exchange.error)
        else:
            raise exchange.error
        raise AttemptFailed(f"{self.base_url}{path}: {reason}", retryable=retryable, status=exchange.status)

    def _accepted(self, path: str, answer: _Answer) -> _Answer:
        if 200 <= answer.status < 300:
            return answer
        payload = _loads(answer.body)
        exhausted = _is_quota_exhausted(payload)
        wrong_key = answer.status in (401, 403) or _KEY_REFUSED in _reasons(payload)
        said = self.redact(error_message(payload) or _plain_text(answer.body))
        reason = f"{self.base_url}{path}: HTTP {answer.status}{': ' + said if said else ''}"
        raise AttemptFailed(
            reason + self._advice(answer, exhausted=exhausted, wrong_key=wrong_key),
            retryable=_is_retryable(answer.status) and not exhausted,
            status=answer.status,
            retry_after_s=parse_retry_after(answer.headers.get("Retry-After") or _retry_delay(payload)),
        )

    def _advice(self, answer: _Answer, *, exhausted: bool, wrong_key: bool) -> str:
        if exhausted or answer.status == 402:
            return f"; the quota or credit of the account behind {self._key_variable} is used up"
        if wrong_key:
            state = "check" if self._has_key else "it is not set: set"
            return f"; the server wants a valid key: {state} {self._key_variable}"
        if answer.status == 404:
            return f"; check the model name and {self._base_url_variable}"
        if 300 <= answer.status < 400:
            location = self.redact(_without_userinfo(answer.headers.get("Location") or "nowhere"))
            return f"; it redirects to {location}, which is not followed: set {self._base_url_variable}"
        return ""

    def _json(self, path: str, answer: _Answer) -> Any:
        value = _loads(answer.body, self._blank)
        if value is _NOT_JSON:
            raise self._unusable(path, answer, "not JSON in UTF-8")
        return value

    def _unusable(self, path: str, answer: _Answer, what: str) -> AttemptFailed:
        excerpt = self.redact(answer.body[:2000].decode("utf-8", "replace"))[:80]
        reason = f"{self.base_url}{path}: the answer is {what}: {excerpt or 'it is empty'}"
        return AttemptFailed(reason, retryable=True, status=answer.status)


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _BodyTooLongError(requests.RequestException):
    pass


class _Exchange:
    """One request and its answer, on a thread of its own.

    A socket timeout bounds the wait for the next byte and not the whole call, and looking up a host name cannot be
    interrupted at all. So the caller waits for an event instead: it leaves at the deadline or on Ctrl-C, wherever the
    exchange stands.
    """

    def __init__(self, send: Callable[[], requests.Response], max_body_bytes: int) -> None:
        self.answer: _Answer | None = None
        self.error: BaseException | None = None
        self._send = send
        self._max_body_bytes = max_body_bytes
        self._response: requests.Response | None = None
        self._done = threading.Event()
        self._abandoned = False

    @property
    def status(self) -> int | None:
        return None if self._response is None else self._response.status_code

    def run(self, limit_s: float) -> bool:
        """Fill ``answer`` or ``error`` and return True; return False if the time was not enough."""
        threading.Thread(target=self._work, name="r2po-http", daemon=True).start()
        try:
            return self._done.wait(limit_s)
        finally:
            if not self._done.is_set():
                self._abandon()

    def _work(self) -> None:
        try:
            self._response = self._send()
            with self._response:
                body = self._read(self._response)
                self.answer = _Answer(self._response.status_code, self._response.headers, body)
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            self.error = error
        finally:
            self._done.set()

    def _read(self, response: requests.Response) -> bytes:
        if self._abandoned:  # the answer began after the deadline
            raise ConnectionAbortedError
        body = bytearray()
        for chunk in response.iter_content(2**16):
            body += chunk
            if len(body) > self._max_body_bytes:
                raise _BodyTooLongError
        return bytes(body)

    def _abandon(self) -> None:
        """Let the thread end soon: wake it if it waits for more of the body; socket timeouts end any other wait."""
        self._abandoned = True
        if self._response is not None:
            with suppress(AttributeError, ValueError, RuntimeError, OSError):  # too late, or a urllib3 before 2.3
                self._response.raw.shutdown()


def _session(headers: Mapping[str, str]) -> requests.Session:
    session = requests.Session()
    session.headers.update(headers)
    # Without an authentication of its own, requests puts the one in .netrc in the place of our header.
    session.auth = lambda request: request
    # Calls do not depend on each other; and a jar of cookies is the one part that threads cannot share.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return session


def _proxies(base_url: str) -> dict[str, str]:
    """Return what to add to the proxies of the environment: none of them reaches this machine's localhost."""
    host = urlsplit(base_url).hostname or ""
    return {"no_proxy": host} if _is_loopback(host) else {}


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _parse_base_url(text: str, variable: str) -> tuple[str, str]:
    """Return the address without user info and trailing slash, and the user info."""
    text = text.strip()
    problem = _base_url_problem(text)
    if problem:
        raise InputError(
            f"{variable} is {one_line(_without_userinfo(text))!r}, {problem}; expected an address like https://host:port"
        )
    parts = urlsplit(text)
    userinfo, _, host = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{host}{parts.path}".rstrip("/"), userinfo


def _base_url_problem(text: str) -> str:
    if re.search(r"[^\x21-\x7e]", text):
        return "which has a character that an address cannot have"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "which is no valid address"
    if parts.scheme not in ("http", "https"):
        return "which does not start with http:// or https://"
    if not host:
        return "which names no host"
    return "which has a query or a fragment" if parts.query or parts.fragment else ""


def _without_userinfo(url: str) -> str:
    """Return an address without ``user:password@``, also if it is too malformed to be parsed."""
    before, at, after = url.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    return (scheme + slashes if slashes else "") + after if at else url


def _basic_authorization(userinfo: str) -> dict[str, str]:
    if not userinfo:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(unquote(userinfo).encode()).decode()}


def _secrets(key: str, userinfo: str) -> list[str]:
    """Return every form in which a server could echo what it was sent to prove who asks, longest first."""
    password = userinfo.partition(":")[2]
    token = _basic_authorization(userinfo).get("Authorization", "").removeprefix("Basic ")
    forms = {key, quote(key, safe=""), password, unquote(password), token}
    return sorted((form for form in forms if len(form) >= _MIN_SECRET_LENGTH), key=len, reverse=True)


def _check_headers(headers: Mapping[str, str], key_variable: str) -> None:
    for name, value in headers.items():
        if not re.fullmatch(r"[\x21-\x7e]+( [\x21-\x7e]+)*", value):
            raise InputError(
                f"the header {name} cannot be sent: {key_variable} has a line break or another character "
                "that no key has; copy the key again"
            )


def _is_retryable(status: int) -> bool:
    return status in _RETRYABLE_4XX or (status >= 500 and status not in _PERMANENT_5XX)


_NETWORK_ERRORS = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError)  # requests' errors are OSErrors

# First match, among an error and all errors that it wraps: (type, what to say, whether another attempt may succeed).
_NETWORK_FAILURES: tuple[tuple[type[BaseException], str, bool], ...] = (
    (_BodyTooLongError, "the answer is too long to be one", True),
    (requests.exceptions.InvalidURL, "the address cannot be used", False),
    (urllib3.exceptions.LocationValueError, "the address cannot be used", False),
    (ssl.SSLCertVerificationError, "the server's certificate is not trusted", False),
    (requests.exceptions.ConnectTimeout, "no connection in time", True),
    (socket.gaierror, "the host name was not found", True),
    (ConnectionRefusedError, "connection refused", True),
    (http.client.RemoteDisconnected, "the server closed the connection without an answer", True),
    (ConnectionError, "the connection was reset", True),
    (TimeoutError, "no answer in time", True),
    (requests.exceptions.Timeout, "no answer in time", True),
    (http.client.IncompleteRead, "the answer broke off", True),
    (requests.exceptions.ChunkedEncodingError, "the answer broke off", True),
    (requests.exceptions.ContentDecodingError, "the answer's compression is damaged", True),
    (http.client.HTTPException, "the answer is not HTTP", True),
)


def _network_failure(error: BaseException) -> tuple[str, bool]:
    wrapped = list(_wrapped(error))
    proxy = any(isinstance(each, requests.exceptions.ProxyError) for each in wrapped)
    for kind, reason, retryable in _NETWORK_FAILURES:
        if any(isinstance(each, kind) for each in wrapped):
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


_NOT_JSON = object()


def _loads(body: bytes, clean: Callable[[str], str] = str) -> Any:
    try:
        value = json.loads(body.decode("utf-8-sig"))
        return _replaced(value, lambda text: clean(_encodable(text)))
    except (ValueError, RecursionError):  # ValueError: not UTF-8, not JSON, an integer of thousands of digits
        return _NOT_JSON


def _encodable(text: str) -> str:
    r"""Replace half surrogates, which JSON can escape (``\ud800``) but no file can store."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _replaced(value: Any, replace: Callable[[str], str]) -> Any:
    """Return a JSON value with each of its strings replaced."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list):
        return [_replaced(each, replace) for each in value]
    if isinstance(value, dict):
        return {replace(key): _replaced(each, replace) for key, each in value.items()}
    return value


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


def _is_quota_exhausted(payload: Any) -> bool:
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


# Google's servers say in a list of details what others say in a code or a header.
_KEY_REFUSED = "API_KEY_INVALID"


def _details(payload: Any) -> list[dict[str, Any]]:
    error = payload.get("error") if isinstance(payload, dict) else None
    return _objects(error.get("details")) if isinstance(error, dict) else []


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _reasons(payload: Any) -> list[object]:
    return [detail.get("reason") for detail in _details(payload)]


def _retry_delay(payload: Any) -> str | None:
    delays = (detail.get("retryDelay") for detail in _details(payload))
    return next((delay.removesuffix("s") for delay in delays if isinstance(delay, str)), None)


def _plain_text(body: bytes) -> str:
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
