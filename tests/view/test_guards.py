"""Who is let through, and who is refused."""

from __future__ import annotations

import asyncio

import pytest

from r2po.view.guards import new_token
from tests.view.asked import PORT, TOKEN, USUAL, Asked, ask

HERE = f"127.0.0.1:{PORT}"
ADDRESS = f"/?token={TOKEN}"
LINK = (("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"))
PATHS = ("/", "/api/changes", "/static/list.js", "/compare", "/run/x", "/api/run/x/core", "/api/compare", "/nothing")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    return Asked(tmp_path_factory.mktemp("logs"))


@pytest.mark.parametrize("path", ["/", "/api/changes", "/static/list.js", "/compare"])
def test_pages_of_the_server_are_let_through(path: str, asked: Asked) -> None:
    for host in (HERE, f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}"):
        assert asked.get(path, more=[("host", host)]).status == 200
    assert asked.get(path, more=[("origin", f"http://{HERE}")]).status == 200
    assert asked.get(path, more=[("sec-fetch-site", "none")]).status == 200
    assert asked.get(path, without=["sec-fetch-site"]).status == 200
    assert asked.get(path, method="HEAD").status == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{PORT}",
        "127.0.0.1",
        f"127.0.0.1:{PORT + 1}",
        f"127.0.0.1.evil.example:{PORT}",
        "",
    ],
)
def test_another_host_is_refused(host: str, path: str, asked: Asked) -> None:
    answer = asked.get(path, more=[("host", host)])
    assert (answer.status, answer.text) == (403, answer.text)
    assert "only to be asked under the address that it printed" in answer.text


def test_no_host_and_two_hosts_are_refused(asked: Asked) -> None:
    assert asked.get("/", without=["host"]).status == 403
    assert asked.get("/", more=[("host", HERE), ("host", "evil.example")]).status == 403
    assert asked.get("/", more=[("host", HERE), ("host", HERE)]).status == 403


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get"])
def test_nothing_can_be_changed(method: str, path: str, asked: Asked) -> None:
    answer = asked.get(path, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", f"https://{HERE}", "http://127.0.0.1", f"http://127.0.0.1:{PORT + 1}", ""]
)
def test_another_origin_is_refused(origin: str, path: str, asked: Asked) -> None:
    assert asked.get(path, more=[("origin", origin)]).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
@pytest.mark.parametrize("path", PATHS)
def test_another_page_is_refused(path: str, site: str, asked: Asked) -> None:
    assert asked.get(path, more=[("sec-fetch-site", site)]).status == 403


def test_a_link_in_another_page_may_be_followed_with_the_token_only(asked: Asked) -> None:
    assert asked.get(ADDRESS, without=["cookie"], more=LINK).status == 200
    assert asked.get("/", more=LINK).status == 403  # a cookie is not enough
    assert asked.get("/?token=wrong", more=LINK).status == 403
    assert asked.get(f"/compare?token={TOKEN}", more=LINK).status == 403
    assert asked.get(ADDRESS, more=[*LINK[:2], ("sec-fetch-dest", "iframe")]).status == 403
    assert asked.get(ADDRESS, more=[LINK[0], ("sec-fetch-mode", "no-cors"), LINK[2]]).status == 403


@pytest.mark.parametrize("path", PATHS)
def test_without_the_cookie_all_is_refused(path: str, asked: Asked) -> None:
    answer = asked.get(path, without=["cookie"])
    assert (answer.status, "it ends in a token" in answer.text) == (403, True)
    for value in ("", "wrong", TOKEN[:-1], f"{TOKEN}x", "ümlaut"):
        assert asked.get(path, more=[("cookie", f"r2po-view-{PORT}={value}")]).status == 403
    assert asked.get(path, more=[("cookie", f"r2po-view-{PORT + 1}={TOKEN}")]).status == 403


def test_the_token_is_exchanged_for_a_cookie_that_scripts_and_other_pages_do_not_get(asked: Asked) -> None:
    answer = asked.get(ADDRESS, without=["cookie"], more=[("sec-fetch-site", "none")])
    assert answer.status == 200
    assert '<meta http-equiv="refresh" content="0; url=/">' in answer.text
    assert TOKEN not in answer.text
    name, *properties = answer.headers["set-cookie"].split("; ")
    assert name == f"r2po-view-{PORT}={TOKEN}"
    assert {each.lower() for each in properties} == {"httponly", "samesite=strict", "path=/"}
    assert asked.get("/", more=[("cookie", f"a=b; {name}; c=d")]).status == 200


@pytest.mark.parametrize("query", ["token", "token=", "token=%ff", "token=ü", "&" * 50, "a=1&" * 20])
def test_an_odd_query_is_no_token(query: str, asked: Asked) -> None:
    assert asked.get(f"/?{query}", without=["cookie"]).status == 403


@pytest.mark.parametrize("address", [*PATHS, ADDRESS])
@pytest.mark.parametrize("cookie", [True, False])
def test_every_answer_carries_the_headers(address: str, cookie: bool, asked: Asked) -> None:
    headers = asked.get(address, without=[] if cookie else ["cookie"]).headers
    policy = dict(line.split(" ", 1) for line in headers["content-security-policy"].split("; "))
    assert policy.pop("style-src").startswith("'self' 'sha256-")
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "connect-src": "'self'",
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


def test_tokens_are_long_and_differ() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) == 32


def test_no_web_socket_is_opened(asked: Asked) -> None:
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    headers = [(name.encode(), value.encode()) for name, value in USUAL]
    asyncio.run(asked.app({"type": "websocket", "path": "/", "headers": headers}, receive, send))
    assert sent == []


def test_ask_is_what_these_tests_use(asked: Asked) -> None:
    assert ask(asked.app, "/").status == 200
