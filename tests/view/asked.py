"""Requests to the app of ``r2po view`` without a server, and a server in a thread for a real browser."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import sys
import threading
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from r2po.report.blocks import Wanted
from r2po.view.app import make_app
from r2po.view.guards import Guard
from r2po.view.index import Index
from r2po.view.serving import _listening as listening
from r2po.view.serving import config_of

PORT = 4711
TOKEN = "the-secret-of-this-address"


@contextmanager
def ends_in_time(seconds: int = 20) -> Iterator[None]:
    """Let what waits for ever fail a test."""

    def give_up(*_: object) -> None:
        raise TimeoutError("it waits for ever")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


_opened: list[list[str]] = []
"""Lists of those who want to know what is opened now."""
_has_hook: list[bool] = []


@contextmanager
def watched_opening() -> Iterator[list[str]]:
    """Give the paths that are opened meanwhile."""
    if not _has_hook:  # Python takes no hook out again
        _has_hook.append(True)
        sys.addaudithook(lambda event, told: _note(told[0]) if event == "open" else None)
    paths: list[str] = []
    _opened.append(paths)
    try:
        yield paths
    finally:
        _opened.remove(paths)


def _note(path: object) -> None:
    for paths in _opened:
        paths.append(str(path))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def block(self) -> Any:
        return json.loads(gzip.decompress(b64decode(self.body)))


class Asked:
    """The app for a folder of logs, asked as a page of it would."""

    def __init__(self, root: Path, wanted: Wanted | None = None) -> None:
        self.index = Index(root.resolve())
        self.app: Guard = make_app(self.index, PORT, TOKEN, wanted or Wanted())

    def get(self, address: str, **changes: Any) -> Answer:
        """Ask with the cookie and the headers of a page of this server; ``changes`` are those of ``ask``."""
        return ask(self.app, address, **changes)

    def runs(self, since: int = 0) -> dict[str, dict[str, Any]]:
        """Return the rows that are new or changed, by experiment and run."""
        return {f"{row['experiment']}/{row['run']}": row for row in self.changes(since)["runs"]}

    def changes(self, since: int = 0) -> Any:
        return self.get(f"/api/changes?since={since}").json

    def id_of(self, name: str) -> str:
        return str(self.runs()[name]["id"])


USUAL = (("host", f"127.0.0.1:{PORT}"), ("cookie", f"r2po-view-{PORT}={TOKEN}"), ("sec-fetch-site", "same-origin"))


def ask(
    app: Any, address: str, method: str = "GET", without: Sequence[str] = (), more: Sequence[tuple[str, str]] = ()
) -> Answer:
    """Send a request with the usual headers, without some of them and with others."""
    path, _, query = address.partition("?")
    replaced = {*without, *(name for name, _ in more)}
    headers = [pair for pair in USUAL if pair[0] not in replaced] + list(more)
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", PORT),
        "client": ("127.0.0.1", 1),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))


@contextmanager
def serving(root: Path, wanted: Wanted | None = None) -> Iterator[str]:
    """Serve a folder of logs in a thread; gives the address with its token."""
    listener = listening(0)
    port = listener.getsockname()[1]
    app = make_app(Index(root.resolve()), port, TOKEN, wanted or Wanted())
    server = uvicorn.Server(config_of(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/?token={TOKEN}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
