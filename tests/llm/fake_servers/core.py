"""A model server for tests: real HTTP on 127.0.0.1, replies from a script or a function, faults on demand.

This is what the servers of all wire formats have in common.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar

from typing_extensions import Self

CHARS_PER_TOKEN = 4

Answer = str | Mapping[str, Any]
"""The text of a reply, or fields that override those of the whole response object."""


@dataclass(frozen=True)
class Recorded:
    """A request as the server saw it. ``body`` is the decoded JSON, ``client_port`` tells connections apart."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    client_port: int


class FakeServer(ABC):
    """A server that lives as long as its ``with`` block.

    Args:
        reply: Gives the answer to each prompt; or the answers in the order in which they are asked for.
        models: What it serves.
        key: Key that every request must carry; empty if none.
    """

    chat_path: ClassVar[str]
    """Path of the requests for a reply, as ``inject`` and ``always`` know it."""
    contact_path: ClassVar[str]
    """Path of the first request of a first contact."""
    base_url_variable: ClassVar[str]
    key_variable: ClassVar[str]
    base_path: ClassVar[str] = ""
    """What stands between the address and each path."""
    model: ClassVar[str]
    """What a config calls the model that is served unless others are."""
    default_models: ClassVar[tuple[str, ...]] = ("tiny",)

    def __init__(
        self,
        reply: Callable[[str], Answer] | Iterable[Answer] = lambda prompt: "fine",
        *,
        models: Iterable[str] | None = None,
        key: str = "",
    ) -> None:
        self.models = list(self.default_models if models is None else models)
        self.key = key
        self.requests: list[Recorded] = []
        self.closing = threading.Event()
        self._reply = reply if callable(reply) else _script(reply)
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._always: dict[str, Fault] = {}

    # What a wire format says of itself

    @abstractmethod
    def key_of(self, headers: Mapping[str, str]) -> str:
        """Return the key in the headers of a request."""

    @abstractmethod
    def prompt_of(self, body: Any) -> str:
        """Return the prompt in the body of a request for a reply."""

    @abstractmethod
    def response(self, text: str, prompt: str, body: Any) -> dict[str, Any]:
        """Return the response object around a text."""

    @abstractmethod
    def ended(self, text: str, why: str | None) -> dict[str, Any]:
        """Return what a response says of a text that ends for a reason."""

    @property
    @abstractmethod
    def token_limit(self) -> str:
        """The reason of a text that was cut off at the token limit."""

    stream_type: ClassVar[str] = "text/event-stream"
    """What it calls an answer in pieces."""

    def is_streamed(self, path: str, body: Any) -> bool:
        """Whether a request asks for an answer in pieces."""
        return body.get("stream") is True

    @abstractmethod
    def pieces(self, response: Mapping[str, Any], body: Any) -> list[bytes]:
        """Return a whole response as the pieces that the protocol cuts it into."""

    def cut_off(self, text: str) -> dict[str, Any]:
        """Return what a response says of a text that was cut off at the token limit."""
        return self.ended(text, self.token_limit)

    @abstractmethod
    def refusals(self, said: str) -> list[dict[str, Any]]:
        """Return the ways to refuse to answer; none where the protocol has none."""

    @abstractmethod
    def error(self, status: int, said: str) -> Any:
        """Return the body of an error."""

    @abstractmethod
    def exhausted(self, said: str) -> tuple[int, Any]:
        """Return status and body of the error of an account without credit."""

    @abstractmethod
    def tell(self, handler: Handler, path: str, body: Any) -> None:
        """Answer a request for anything but a reply."""

    def route(self, path: str) -> str:
        """Return the path by which faults know this path."""
        return path.removeprefix(self.base_path)

    def model_of(self, path: str, body: Any) -> str:
        """Return the model that is asked for a reply."""
        return str(body["model"])

    def knows(self, model: str) -> bool:
        return model in self.models

    # What tests do with it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{self.base_path}"

    @property
    def environ(self) -> dict[str, str]:
        """The environment that leads a provider here."""
        return {self.base_url_variable: self.url, self.key_variable: self.key}

    @property
    def chats(self) -> list[Any]:
        """The bodies of the requests for a reply."""
        return [request.body for request in self.requests if self.route(request.path) == self.chat_path]

    def inject(self, *faults: Fault, path: str | None = None) -> None:
        """Meet the next requests to a path (those for a reply) with these faults, one each."""
        self._faults[path or self.chat_path].extend(faults)

    def always(self, fault: Fault, path: str | None = None) -> None:
        """Meet every request to a path (those for a reply) with this fault."""
        self._always[path or self.chat_path] = fault

    def recover(self) -> None:
        """Meet requests with no more faults."""
        self._faults.clear()
        self._always.clear()

    def fault_for(self, path: str) -> Fault | None:
        return self._faults[path].popleft() if self._faults[path] else self._always.get(path)

    def chat(self, body: Any) -> dict[str, Any]:
        prompt = self.prompt_of(body)
        answer = self._reply(prompt)
        text = answer if isinstance(answer, str) else ""
        return {**self.response(text, prompt, body), **({} if isinstance(answer, str) else answer)}

    def die(self) -> None:
        """Refuse connections from now on, and break off those that there are."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def revive(self) -> None:
        """Live again, at the same address."""
        self._live(self._server.server_port)

    def __enter__(self) -> Self:
        self._live(0)
        return self

    def _live(self, port: int) -> None:
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _script(answers: Iterable[Answer]) -> Callable[[str], Answer]:
    left = iter(answers)

    def reply(prompt: str) -> Answer:
        try:
            return next(left)
        except StopIteration:
            raise AssertionError("the fake server was asked for more replies than its script has") from None

    return reply


class _Server(ThreadingHTTPServer):
    """Closes the connections that clients keep open, so that no thread outlives it."""

    daemon_threads = False

    def __init__(self, fake: FakeServer, port: int) -> None:
        self.fake = fake
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def close_request(self, request: Any) -> None:
        self._open.discard(request)
        super().close_request(request)

    def server_close(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that leaves early is what many tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._serve(None)

    def do_DELETE(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_form = self.headers.get("Content-Type", "").startswith("multipart/")
        self._serve(body if is_form else json.loads(body))

    def _serve(self, body: Any) -> None:
        fake = self.server.fake
        fake.requests.append(Recorded(self.command, self.path, dict(self.headers), body, self.client_address[1]))
        path = "/" + self.path.partition("://")[2].partition("/")[2] if "://" in self.path else self.path
        path = fake.route(path)
        fault = fake.fault_for(path)
        if fault is not None:
            fault(self)
        elif fake.key and fake.key_of(dict(self.headers)) != fake.key:
            self.send_json(fake.error(401, "unauthorized"), 401)
        elif (self.command, path) != ("POST", fake.chat_path):
            fake.tell(self, path, body)
        else:
            self._answer(body)

    def _answer(self, body: Any) -> None:
        fake = self.server.fake
        model = fake.model_of(self.path, body)
        if not fake.knows(model):
            self.send_json(fake.error(404, f"model '{model}' not found"), 404)
            return
        try:
            self.send_answer(fake.chat(body), body)
        except AssertionError as error:
            self.send_json(fake.error(400, str(error)), 400)

    def send_json(self, value: Any, status: int = 200) -> None:
        self.send_bytes(json.dumps(value).encode(), status, {"Content-Type": "application/json"})

    def send_answer(self, response: Mapping[str, Any], body: Any) -> None:
        """Send a response, in pieces if the request asks for that."""
        fake = self.server.fake
        if fake.is_streamed(self.path, body):
            self.send_pieces(fake.pieces(response, body))
        else:
            self.send_json(response)

    def send_pieces(
        self, pieces: Iterable[bytes], headers: Mapping[str, str] | None = None, *, ends: bool = True
    ) -> None:
        """Send these bytes, each in a chunk of its own."""
        self.send_response(200)
        content = {"Content-Type": self.server.fake.stream_type, "Transfer-Encoding": "chunked"}
        for name, value in {**content, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if ends:
            self.wfile.write(b"0\r\n\r\n")

    def send_bytes(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_nothing_there(self) -> None:
        self.send_bytes(b"404 page not found", 404, {"Content-Type": "text/plain"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that it has in the standard library
        """Say nothing."""


def event(value: Any, name: str = "") -> bytes:
    """Return a server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode()


def portions(text: Any) -> list[str]:
    """Cut a text into at most 40 portions; None has none."""
    text = text or ""
    size = max(3, -(-len(text) // 40))
    return [text[start : start + size] for start in range(0, len(text), size)]


Fault = Callable[[Handler], None]


def status(code: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> Fault:
    """Answer with a status, headers and a body: bytes as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda handler: handler.send_bytes(data, code, headers)


def reset() -> Fault:
    """Reset the connection instead of answering."""

    def fault(handler: Handler) -> None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        # The handler's files hold the descriptor too: only when all are closed does the reset go out.
        handler.rfile.close()
        handler.connection.close()

    return fault


def hang_up() -> Fault:
    """Close the connection in an orderly way instead of answering."""

    def fault(handler: Handler) -> None:
        handler.close_connection = True

    return fault


def stall(*, after_headers: bool = False) -> Fault:
    """Say nothing until the server closes, before or after the headers."""

    def fault(handler: Handler) -> None:
        handler.close_connection = True
        if after_headers:
            handler.send_bytes(b"", 200, {"Content-Length": "100"})
        handler.server.fake.closing.wait()

    return fault


def truncated() -> Fault:
    """Announce more than is sent."""

    def fault(handler: Handler) -> None:
        handler.close_connection = True
        handler.send_bytes(b'{"message": {"content": "half a', 200, {"Content-Length": "1000"})

    return fault


def trickle(body: bytes, interval_s: float) -> Fault:
    """Send a body a byte at a time."""

    def fault(handler: Handler) -> None:
        handler.close_connection = True
        handler.send_bytes(b"", 200, {"Content-Length": str(len(body))})
        for value in body:
            if handler.server.fake.closing.wait(interval_s):
                return
            handler.wfile.write(bytes([value]))

    return fault


def raw(data: bytes) -> Fault:
    """Send these bytes instead of an HTTP answer."""

    def fault(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(data)

    return fault
