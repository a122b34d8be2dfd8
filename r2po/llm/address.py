"""Addresses of servers: what is sent, and what messages show of them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from r2po.errors import InputError
from r2po.llm.failures import one_line


def parse_base_url(text: str, variable: str) -> tuple[str, str]:
    """Return the address without user info and trailing slash, and the user info."""
    text = text.strip()
    problem = _base_url_problem(text)
    if problem:
        raise InputError(f"{variable} is {shown(text)!r}, {problem}; expected an address like https://host:port")
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


def shown(address: str) -> str:
    """Return what a message may show of an address that cannot be used: nothing that may be a password or a key."""
    scheme, slashes, rest = without_userinfo(address).rpartition("://")
    rest = re.sub(r"[?#].*", "?…", rest, flags=re.DOTALL)
    host, colon, port = rest.partition(":")
    if colon and not re.fullmatch(r"[0-9]{1,5}(?:/.*)?", port, re.DOTALL) and not host.startswith("["):
        rest = f"{host}:…"  # what has no "@host" after it may be a password
    if not slashes and not re.search(r"[.:/\s]", rest) and len(rest) > 8:
        rest = f"{rest[:3]}…"  # no address at all: perhaps a key
    return one_line(scheme + slashes + rest)


def without_userinfo(url: str) -> str:
    """Return an address without ``user:password@``, also if it is too malformed to be parsed."""
    before, at, after = url.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    return (scheme + slashes if slashes else "") + after if at else url


def basic_authorization(userinfo: str) -> dict[str, str]:
    """Return the header that user info in an address stands for."""
    return {"Authorization": f"Basic {token(userinfo)}"} if userinfo else {}


def token(userinfo: str) -> str:
    """Return user info as the header carries it."""
    return base64.b64encode(unquote(userinfo).encode()).decode()


def check_headers(headers: Mapping[str, str], key_variable: str) -> None:
    """Refuse a header that cannot be sent; only a key could make it so."""
    for name, value in headers.items():
        if not re.fullmatch(r"[\x21-\x7e]+( [\x21-\x7e]+)*", value):
            raise InputError(
                f"the header {name} cannot be sent: {key_variable} has a line break or another character "
                "that no key has; copy the key again"
            )
