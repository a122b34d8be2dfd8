"""Who may ask the server what: only pages that it gave itself, in a browser that has been shown its address.

Any page that a browser shows can send requests to this machine. So a request must name this server as its host, which
a foreign name that was made to point here does not; must come from no other page; and must carry what only the printed
address says. Reading is all there is: other methods are refused.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost", "[::1]")
TOKEN_BYTES = 24

ENTRANCE = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/">'
    '<title>r2po view</title></head><body><p><a href="/">To the runs</a></p></body></html>\n'
)
"""What the printed address answers: a page that goes on. A redirect would still count as coming from another page."""

FORBIDDEN, NO_METHOD = 403, 405


def new_token() -> str:
    """Return a secret for an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def headers_of(styles: str) -> dict[str, str]:
    """Return the headers of every answer, given the hashes of styles that libraries add to a page."""
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self' {styles}; connect-src 'self'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-store",
    }


class Guard:
    """Lets requests through to an app, or refuses them with a line that says why.

    Args:
        app: What answers those that are let through.
        port: The port of this server, as browsers name it.
        token: The secret of the printed address.
        headers: What every answer carries.
    """

    def __init__(self, app: ASGIApp, port: int, token: str, headers: Mapping[str, str]) -> None:
        self._app = app
        self._hosts = {f"{host}:{port}" for host in HOSTS} | (set(HOSTS) if port == 80 else set())
        self._cookie = f"r2po-view-{port}"
        self._token = token
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        answer = self._refusal(scope) or self._admission(scope)
        await (answer or self._app)(scope, receive, self._with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that is refused whatever it carries."""
        headers = Headers(scope=scope)
        if [each.lower() for each in headers.getlist("host")] not in [[host] for host in self._hosts]:
            return _no("this server is only to be asked under the address that it printed")
        if scope["method"] not in ("GET", "HEAD"):
            refused = PlainTextResponse(
                "this server only answers GET and HEAD: nothing can be changed here\n", NO_METHOD
            )
            refused.headers["allow"] = "GET, HEAD"
            return refused
        origins = {f"http://{host}" for host in self._hosts}
        if any(each.lower() not in origins for each in headers.getlist("origin")):
            return _no("another page asked")
        if not self._comes_from_here(scope, headers):
            return _no("another page asked; open the address that the server printed, or go on from its own pages")
        return None

    def _comes_from_here(self, scope: Scope, headers: Headers) -> bool:
        """Whether no other page asks; to follow a link with the secret is the only thing that one may do."""
        sites = headers.getlist("sec-fetch-site")
        if all(site in ("none", "same-origin") for site in sites):
            return True
        is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        return is_link and scope["path"] == "/" and self._is_secret(_token_in(scope))

    def _admission(self, scope: Scope) -> Response | None:
        """Return the answer to a request that does not carry the cookie yet; None if it does."""
        if scope["path"] == "/" and self._is_secret(_token_in(scope)):
            entrance = HTMLResponse(ENTRANCE)
            entrance.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/")
            return entrance
        if any(self._is_secret(each) for each in self._cookies(scope)):
            return None
        return _no("open the address that the server printed: it ends in a token")

    def _cookies(self, scope: Scope) -> list[str]:
        pairs = [
            part.strip().partition("=") for line in Headers(scope=scope).getlist("cookie") for part in line.split(";")
        ]
        return [value.strip('"') for name, _, value in pairs if name == self._cookie]

    def _is_secret(self, told: str) -> bool:
        """Compare in a time that tells nothing of where a guess goes wrong."""
        return hmac.compare_digest(told.encode(errors="replace"), self._token.encode())

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        return sending


def _token_in(scope: Scope) -> str:
    try:
        query: str = scope["query_string"].decode("ascii")
        return parse_qs(query, max_num_fields=8).get("token", [""])[0]
    except ValueError:
        return ""


def _no(why: str) -> Response:
    return PlainTextResponse(f"refused: {why}\n", FORBIDDEN)
