"""JSON over HTTP, the same for every provider: it knows HTTP and its failures, and no wire format.

Every failure becomes an ``AttemptFailed`` with one line that a person can act on. Nothing that leaves this module
contains the key: not a reason, not a repr, not a chained exception.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

from r2po.llm import address, failures, network
from r2po.llm.exchange import Answer, Exchange
from r2po.llm.json_values import NOT_JSON, cleaned, loads
from r2po.llm.redaction import Redaction, secrets_of
from r2po.llm.stream import Stream
from r2po.llm.types import AttemptFailed

CONNECT_TIMEOUT_S = 10.0
CONNECT_SHARE = 0.9
"""Part of a call's time in which a connection must come about, so that it is known that none did."""


class UnusableStream(AttemptFailed):
    """A stream cannot be read, or lacks its proper end though nothing on the way is to blame.

    Its bytes ended in an orderly way, or it told why the model stopped and did not end after that. The server will
    most likely do so again.
    """


class Transport:
    """Connections to one server, kept open between calls. Any number of threads may use it.

    Proxies and certificates come from the environment, as for any program built on ``requests``; a ``.netrc`` is
    ignored, since it would replace the key. Redirects are not followed, since the key would go along.

    Args:
        base_url: Address that every path is appended to. ``user:password@`` in it becomes basic authentication.
        base_url_variable: Environment variable that chooses the address, named in messages.
        key_variable: Environment variable that holds the key, named in messages.
        key: The key, to keep it out of messages; it is sent only if ``headers`` carry it.
        timeout_s: Seconds that a call may take from its start to the last byte of the answer.
        idle_timeout_s: Seconds that may pass between two pieces of a streamed answer; None for no limit.

    Raises:
        InputError: The address, a header or the proxy cannot be used.

    Attributes:
        clock_ahead: How far the server's clock is ahead of ours, by the date of its last answer; zero until it tells.
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
        idle_timeout_s: float | None = None,
    ) -> None:
        self.base_url, userinfo = address.parse_base_url(base_url, base_url_variable)
        self.timeout_s = timeout_s
        self.idle_timeout_s = idle_timeout_s
        self._base_url_variable = base_url_variable
        self._key_variable = key_variable
        self._has_key = bool(key)
        sent = {"Accept": "application/json", "User-Agent": "r2po"}
        sent |= {**address.basic_authorization(userinfo), **(headers or {})}
        address.check_headers(sent, key_variable)
        token = address.token(userinfo) if userinfo else ""
        self._redaction = Redaction(secrets_of(key, userinfo.partition(":")[2], token))
        self._proxies = network.more_proxies(self.base_url)
        network.check_proxy(self.base_url, self._proxies)
        self._under_way: set[Exchange] = set()
        self._is_closed = False
        self.clock_ahead = timedelta()
        self._closing = threading.Lock()
        self._session = requests.Session()
        self._session.headers.update(sent)
        # Without an authentication of its own, requests puts the one in .netrc in the place of our header.
        self._session.auth = lambda request: request
        # Calls do not depend on each other; and a jar of cookies is the one part that threads cannot share.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def __repr__(self) -> str:
        return f"Transport({self.base_url!r})"

    def post_json(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        told_error: Callable[[Any], Any] = failures.told_error,
        stream: Stream | None = None,
    ) -> dict[str, Any]:
        """Post an object and return the object that comes back.

        Args:
            path: Where to.
            body: The object.
            timeout_s: The limit for this call alone.
            told_error: Finds the error object in an answer whose status is good.
            stream: Takes an answer that comes in pieces; what it puts together is returned. An answer that comes at
                once is taken too.

        Raises:
            AttemptFailed: Anything but a 2xx answer with a JSON object in time; or that tells of an error.
        """
        return self._object(path, self._exchange("POST", path, body, timeout_s, stream), told_error)

    def get_json(
        self,
        path: str,
        *,
        timeout_s: float | None = None,
        most_bytes: int | None = None,
        told_error: Callable[[Any], Any] = failures.told_error,
    ) -> Any:
        """Get any JSON value; otherwise as ``post_json``. A path that begins with ``..`` is beside the base URL."""
        return self._value(path, self._exchange("GET", path, None, timeout_s, most_bytes=most_bytes), told_error)

    def get_lines(self, path: str, *, most_bytes: int) -> tuple[list[Any], int]:
        """Get JSON values that stand on a line each, and how many lines are none; otherwise as ``post_json``."""
        answer = self._exchange("GET", path, None, None, most_bytes=most_bytes)
        if not 200 <= answer.status < 300:
            raise self._refused(path, answer, loads(answer.body), answer.status)
        values = [loads(line, self._redaction.reply) for line in answer.body.splitlines() if line.strip()]
        known = [value for value in values if value is not NOT_JSON]
        if values and not known:
            raise self._unusable(path, answer, "not JSON lines in UTF-8")
        return known, len(values) - len(known)

    def post_file(self, path: str, name: str, content: bytes, fields: Mapping[str, str]) -> dict[str, Any]:
        """Post a file with some fields, as a form; otherwise as ``post_json``."""
        form = {"files": {"file": (name, content)}, "data": fields}
        return self._object(path, self._exchange("POST", path, None, None, form=form), failures.told_error)

    def delete(self, path: str) -> None:
        """Delete what is at a path; otherwise as ``get_json``."""
        self._value(path, self._exchange("DELETE", path, None, None), failures.told_error)

    def take(self, path: str, status: int, body: Any, told_error: Callable[[Any], Any]) -> dict[str, Any]:
        """Return the object in an answer that came by another way than from this path, judged as if from there.

        Raises:
            AttemptFailed: As from ``post_json``.
        """
        return self._object(path, Answer(status, {}, json.dumps(body).encode()), told_error)

    def close(self) -> None:
        """Close the connections of answers that are coming, so that the server notices; send nothing more."""
        with self._closing:
            self._is_closed = True
            exchanges = list(self._under_way)
        for exchange in exchanges:
            exchange.abandon()

    def redact(self, text: str | bytes) -> str:
        """Return a server's text as one short printable line without any key in it."""
        return self._redaction.message(text)

    def _exchange(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        timeout_s: float | None,
        stream: Stream | None = None,
        *,
        form: Mapping[str, Any] | None = None,
        most_bytes: int | None = None,
    ) -> Answer:
        limit = self.timeout_s if timeout_s is None else timeout_s
        exchange = Exchange(
            lambda: self._session.request(
                method,
                self._url(path),
                **({"json": body} if form is None else form),
                stream=True,
                allow_redirects=False,
                timeout=(min(CONNECT_TIMEOUT_S, CONNECT_SHARE * limit), limit + 1),  # the caller's deadline comes first
                proxies=self._proxies,
            ),
            stream,
            most_bytes,
        )
        with self._closing:
            if self._is_closed:
                raise AttemptFailed(f"{self.base_url}{path}: not sent, since the run was stopped", retryable=False)
            self._under_way.add(exchange)
        try:
            overdue = exchange.run(limit, self.idle_timeout_s)
        finally:
            with self._closing:
                self._under_way.discard(exchange)
        if not overdue and exchange.answer is not None:
            self.clock_ahead = _ahead(exchange.answer.headers.get("Date"), self.clock_ahead)
            return exchange.answer
        # Raised here and not where the error was caught, so that no context drags the request and its headers along.
        unreachable = False
        if overdue or exchange.error is None:
            reason, retryable = overdue, True
        elif isinstance(exchange.error, network.NETWORK_ERRORS):
            reason, retryable = network.network_failure(exchange.error)
            reason = self.redact(reason)
            unreachable = network.never_connected(exchange.error)
        else:
            raise exchange.error
        kind = AttemptFailed if stream is None or not stream.is_complete else UnusableStream
        raise kind(
            f"{self.base_url}{path}: {reason}", retryable=retryable, status=exchange.status, unreachable=unreachable
        )

    def _url(self, path: str) -> str:
        base = self.base_url.rpartition("/")[0] if path.startswith("..") else self.base_url
        return base + path.removeprefix("..")

    def _object(self, path: str, answer: Answer, told_error: Callable[[Any], Any]) -> dict[str, Any]:
        value = self._value(path, answer, told_error)
        if not isinstance(value, dict):
            raise self._unusable(path, answer, "not a JSON object")
        return value

    def _value(self, path: str, answer: Answer, told_error: Callable[[Any], Any]) -> Any:
        if not 200 <= answer.status < 300:
            raise self._refused(path, answer, loads(answer.body), answer.status)
        clean = self._redaction.reply
        value = loads(answer.body, clean) if answer.stream is None else self._put_together(path, answer, answer.stream)
        if value is NOT_JSON:
            raise self._unusable(path, answer, "not JSON in UTF-8")
        error = told_error(value)
        if error is not None:
            raise self._refused(path, answer, error, failures.told_status(error) or answer.status)
        return value

    def _put_together(self, path: str, answer: Answer, stream: Stream) -> Any:
        """Return what the pieces of an answer say together."""
        if not (stream.is_complete or stream.is_damaged):
            raise UnusableStream(f"{self.base_url}{path}: the answer broke off", retryable=True, status=answer.status)
        return cleaned(stream.whole, self._redaction.reply)

    def _refused(self, path: str, answer: Answer, payload: Any, status: int) -> AttemptFailed:
        """Return the failure that a server tells of, by its status or, with a good one, in an error object."""
        message = failures.error_message(payload)
        said = self.redact(message or failures.plain_text(answer.body))
        what = "" if status == answer.status >= 300 else f" with error {status}" if status >= 300 else " with an error"
        exhausted = failures.is_quota_exhausted(payload, said)
        wrong_key = status in (401, 403) or failures.is_key_refused(payload)
        advice = self._advice(answer, status, exhausted=exhausted, wrong_key=wrong_key)
        return AttemptFailed(
            f"{self.base_url}{path}: HTTP {answer.status}{what}{': ' + said if said else ''}{advice}",
            retryable=failures.is_retryable(status) and not exhausted,
            status=status,
            retry_after_s=failures.asked_wait_s(answer.headers, payload),
        )

    def _advice(self, answer: Answer, status: int, *, exhausted: bool, wrong_key: bool) -> str:
        if exhausted or status == 402:
            return f"; the quota or credit of the account behind {self._key_variable} is used up"
        if wrong_key:
            state = "check" if self._has_key else "it is not set: set"
            return f"; the server wants a valid key: {state} {self._key_variable}"
        if status == 404:
            return f"; check the model name and {self._base_url_variable}"
        if 300 <= answer.status < 400:
            location = self.redact(address.without_userinfo(answer.headers.get("Location") or "nowhere"))
            return f"; it redirects to {location}, which is not followed: set {self._base_url_variable}"
        return network.wants_tls(answer.status, answer.body)

    def _unusable(self, path: str, answer: Answer, what: str) -> AttemptFailed:
        excerpt = self.redact(answer.body)[:80] or "it is empty"
        # The pieces of a stream may each have a part of a key.
        found = excerpt if answer.stream is None else "a piece of its stream cannot be read"
        reason = f"{self.base_url}{path}: the answer is {what}: {found}"
        kind = AttemptFailed if answer.stream is None else UnusableStream
        return kind(reason, retryable=True, status=answer.status)


def _ahead(date: str | None, known: timedelta) -> timedelta:
    """Return how far a server's clock is ahead, by the date of an answer; what is known if it tells none."""
    try:
        told = parsedate_to_datetime(date or "")
        return told.replace(tzinfo=told.tzinfo or timezone.utc) - datetime.now(timezone.utc)
    except (ValueError, TypeError, IndexError, OverflowError):
        return known
