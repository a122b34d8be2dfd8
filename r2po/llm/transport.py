"""JSON over HTTP, the same for every provider: it knows HTTP and its failures, and no wire format.

Every failure becomes an ``AttemptFailed`` with one line that a person can act on. Nothing that leaves this module
contains the key: not a reason, not a repr, not a chained exception.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

from r2po.llm import address, failures, network, stream
from r2po.llm.redaction import Redaction, secrets_of
from r2po.llm.types import AttemptFailed

MAX_BODY_BYTES = 64 * 2**20
"""Longest answer accepted, after decompression."""
CONNECT_TIMEOUT_S = 10.0


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

    Raises:
        InputError: The address, a header or the proxy cannot be used.
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
    ) -> None:
        self.base_url, userinfo = address.parse_base_url(base_url, base_url_variable)
        self.timeout_s = timeout_s
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
    ) -> dict[str, Any]:
        """Post an object and return the object that comes back.

        Args:
            path: Where to.
            body: The object.
            timeout_s: The limit for this call alone.
            told_error: Finds the error object in an answer whose status is good.

        Raises:
            AttemptFailed: Anything but a 2xx answer with a JSON object in time; or that tells of an error.
        """
        answer = self._exchange("POST", path, body, timeout_s)
        value = self._value(path, answer, told_error)
        if not isinstance(value, dict):
            raise self._unusable(path, answer, "not a JSON object")
        return value

    def get_json(self, path: str, *, timeout_s: float | None = None) -> Any:
        """Get any JSON value; otherwise as ``post_json``. A path that begins with ``..`` is beside the base URL."""
        return self._value(path, self._exchange("GET", path, None, timeout_s), failures.told_error)

    def redact(self, text: str | bytes) -> str:
        """Return a server's text as one short printable line without any key in it."""
        return self._redaction.message(text)

    def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float | None) -> _Answer:
        limit = self.timeout_s if timeout_s is None else timeout_s
        exchange = _Exchange(
            lambda: self._session.request(
                method,
                self._url(path),
                json=body,
                stream=True,
                allow_redirects=False,
                timeout=(min(CONNECT_TIMEOUT_S, limit), limit + 1),  # the caller's deadline comes first
                proxies=self._proxies,
            )
        )
        in_time = exchange.run(limit)
        if in_time and exchange.answer is not None:
            return exchange.answer
        # Raised here and not where the error was caught, so that no context drags the request and its headers along.
        if not in_time or exchange.error is None:
            reason, retryable = f"no complete answer within {limit:g} s", True
        elif isinstance(exchange.error, network.NETWORK_ERRORS):
            reason, retryable = network.network_failure(exchange.error)
            reason = self.redact(reason)
        else:
            raise exchange.error
        raise AttemptFailed(f"{self.base_url}{path}: {reason}", retryable=retryable, status=exchange.status)

    def _url(self, path: str) -> str:
        base = self.base_url.rpartition("/")[0] if path.startswith("..") else self.base_url
        return base + path.removeprefix("..")

    def _value(self, path: str, answer: _Answer, told_error: Callable[[Any], Any]) -> Any:
        if not 200 <= answer.status < 300:
            raise self._refused(path, answer, _loads(answer.body), answer.status)
        answer = _whole(answer)
        value = _loads(answer.body, self._redaction.reply)
        if value is _NOT_JSON:
            raise self._unusable(path, answer, "not JSON in UTF-8")
        error = told_error(value)
        if error is not None:
            raise self._refused(path, answer, error, failures.told_status(error) or answer.status)
        return value

    def _refused(self, path: str, answer: _Answer, payload: Any, status: int) -> AttemptFailed:
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

    def _advice(self, answer: _Answer, status: int, *, exhausted: bool, wrong_key: bool) -> str:
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

    def _unusable(self, path: str, answer: _Answer, what: str) -> AttemptFailed:
        excerpt = self.redact(answer.body)[:80]
        reason = f"{self.base_url}{path}: the answer is {what}: {excerpt or 'it is empty'}"
        return AttemptFailed(reason, retryable=True, status=answer.status)


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Exchange:
    """One request and its answer, on a thread of its own.

    A socket timeout bounds the wait for the next byte and not the whole call, and looking up a host name cannot be
    interrupted at all. So the caller waits for an event instead: it leaves at the deadline or on Ctrl-C, wherever the
    exchange stands.
    """

    def __init__(self, send: Callable[[], requests.Response]) -> None:
        self.answer: _Answer | None = None
        self.error: BaseException | None = None
        self._send = send
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
            if len(body) > MAX_BODY_BYTES:
                raise network.BodyTooLongError
        return bytes(body)

    def _abandon(self) -> None:
        """Let the thread end soon: wake it if it waits for more of the body; socket timeouts end any other wait."""
        self._abandoned = True
        if self._response is not None:
            with suppress(AttributeError, ValueError, RuntimeError, OSError):  # too late, or a urllib3 before 2.3
                self._response.raw.shutdown()


def _whole(answer: _Answer) -> _Answer:
    """Return an answer that came in pieces as if it had come at once."""
    if not answer.headers.get("Content-Type", "").startswith(stream.CONTENT_TYPE):
        return answer
    body = stream.assembled(answer.body)
    return answer if body is None else replace(answer, body=body)


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
