"""Addresses of servers, and the secrets in them and beside them: what is sent, and what no message may show."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from urllib.parse import quote, unquote, urlsplit

from r2po.errors import InputError
from r2po.llm.failures import one_line

_MIN_SECRET_LENGTH = 4  # servers without keys are given dummies like "x"; blanking every x would garble the messages


def parse_base_url(text: str, variable: str) -> tuple[str, str]:
    """Return the address without user info and trailing slash, and the user info."""
    text = text.strip()
    problem = _base_url_problem(text)
    if problem:
        raise InputError(
            f"{variable} is {one_line(without_userinfo(text))!r}, {problem}; expected an address like https://host:port"
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
        return "which is not a valid address"
    if parts.scheme not in ("http", "https"):
        return "which does not start with http:// or https://"
    if not host:
        return "which names no host"
    return "which has a query or a fragment" if parts.query or parts.fragment else ""


def without_userinfo(url: str) -> str:
    """Return an address without ``user:password@``, also if it is too malformed to be parsed."""
    before, at, after = url.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    return (scheme + slashes if slashes else "") + after if at else url


def basic_authorization(userinfo: str) -> dict[str, str]:
    """Return the header that user info in an address stands for."""
    return {"Authorization": f"Basic {_token(userinfo)}"} if userinfo else {}


def _token(userinfo: str) -> str:
    return base64.b64encode(unquote(userinfo).encode()).decode()


def secrets_of(key: str, userinfo: str) -> list[str]:
    """Return every form in which a server could echo what it was sent to prove who asks, longest first."""
    password = userinfo.partition(":")[2]
    forms = {key, quote(key, safe=""), password, unquote(password), _token(userinfo)}
    return sorted((form for form in forms if len(form) >= _MIN_SECRET_LENGTH), key=len, reverse=True)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a text with each secret in it blanked."""
    for secret in secrets:
        text = text.replace(secret, "[key]")
    return text


def check_headers(headers: Mapping[str, str], key_variable: str) -> None:
    """Refuse a header that cannot be sent; only a key could make it so."""
    for name, value in headers.items():
        if not re.fullmatch(r"[\x21-\x7e]+( [\x21-\x7e]+)*", value):
            raise InputError(
                f"the header {name} cannot be sent: {key_variable} has a line break or another character "
                "that no key has; copy the key again"
            )


def more_proxies(base_url: str) -> dict[str, str]:
    """Return what to add to the proxies of the environment: none of them reaches this machine's localhost."""
    host = urlsplit(base_url).hostname or ""
    try:
        is_here = host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        is_here = False
    return {"no_proxy": host} if is_here else {}
