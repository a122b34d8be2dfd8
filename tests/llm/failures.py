"""Everything that can go wrong between a run and a model's server, and what is to come of it with each provider.

``python -m tests.llm.failures`` lets it all go wrong and prints what was seen, as the table in ``docs/providers.md``.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.llm.client import CallFailed
from r2po.llm.registry import provider_for
from r2po.llm.types import AttemptFailed, Provider, ProviderSettings, Question, Received
from r2po.runlog.events import FILE
from r2po.runlog.jsonl import iterate_lines
from tests.builders import open_client
from tests.llm.fake_servers import SERVERS, FakeServer
from tests.llm.fake_servers.core import Fault, Handler, hang_up, raw, reset, stall, status, trickle, truncated

KEY = "marker-of-a-key-that-no-one-may-see-5d2e"
SAMPLING = {"temperature": 0.5}
QUESTION = Question(1, "search", 0, 1, "What are the parameters?")
ATTEMPTS = 3
SHORT_S = 0.4
"""How long to wait for an answer that will not come; others have all the time that a busy machine needs."""
LONG_S = 60.0
RETRY_AFTER_S = 90

RETRIED = "retried"
STOPS = "stops at once"
ASKED_AGAIN = "asked again"
TAKEN = "taken"
ERROR = "error at once"
CONTINUES = "continues"
CANNOT_BE = "-"

Faults = Callable[[FakeServer], list[Fault]]


@dataclass(frozen=True)
class Failure:
    """One thing that can go wrong.

    Attributes:
        what: Its line in the table.
        faults: The ways in which it shows; none where the protocol does not have it.
        outcome: What is to come of it, whichever way.
        reason: What a person is told, at least.
    """

    what: str
    faults: Faults
    outcome: str
    reason: str = ""


@dataclass
class Seen:
    """What came of a failure."""

    outcome: str
    reason: str = ""
    attempts: int = 0
    waits: list[float] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    received: Received[str] | None = None


def said(server: FakeServer, text: str = "no") -> str:
    """What careless servers say: it repeats the key."""
    return f"{text}; you sent {server.key}"


def statuses(*codes: int, headers: Mapping[str, str] | None = None, text: str = "no") -> Faults:
    return lambda server: [status(code, server.error(code, said(server, text)), headers) for code in codes]


def always(*faults: Fault) -> Faults:
    return lambda _: list(faults)


def answers(*texts: str) -> Faults:
    return lambda server: [_answer(lambda _, text=text: text) for text in texts]  # type: ignore[misc]


def fields(get: Callable[[FakeServer], list[dict[str, Any]]]) -> Faults:
    """Answer with a whole response object of which some fields are replaced."""

    def faults(server: FakeServer) -> list[Fault]:
        return [_answer(lambda _, override=override: override) for override in get(server)]  # type: ignore[misc]

    return faults


def _answer(reply: Callable[[str], Any]) -> Fault:
    def fault(handler: Handler) -> None:
        fake = handler.server.fake
        body = fake.requests[-1].body
        answer = reply(fake.prompt_of(body))
        text = answer if isinstance(answer, str) else "some text"
        whole = {**fake.response(text, "prompt", body), **({} if isinstance(answer, str) else answer)}
        handler.send_answer(whole, body)

    return fault


def encoded(encoding: str, headers: Mapping[str, str] | None = None) -> Callable[[FakeServer], Fault]:
    """Answer in an encoding of one's own."""

    def make(server: FakeServer) -> Fault:
        whole = server.response("größer \N{RIGHTWARDS ARROW} 大", "prompt", {"model": "tiny"})
        data = json.dumps(whole, ensure_ascii=False).encode(encoding, "replace")
        return status(200, data, headers)

    return make


def _all(*makers: Callable[[FakeServer], Fault]) -> Faults:
    return lambda server: [make(server) for make in makers]


def _in_an_hour_and_a_half() -> str:
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=RETRY_AFTER_S + 1), usegmt=True)


def _retry_after_date(server: FakeServer) -> list[Fault]:
    return [status(503, server.error(503, said(server)), {"Retry-After": _in_an_hour_and_a_half()})]


def _exhausted(server: FakeServer) -> list[Fault]:
    return [status(*server.exhausted(said(server)))]


def _cut_off(server: FakeServer) -> list[dict[str, Any]]:
    return [server.cut_off(said(server, "params[0]: 1.0, para")), server.cut_off("")]


def _error_midway(server: FakeServer) -> list[dict[str, Any]]:
    return [server.ended(said(server, "params[0]: 1.0, params[1]: 2"), "error")]


def _other_ends(server: FakeServer) -> list[dict[str, Any]]:
    return [server.ended("params[0]: 1.0", "pause_turn"), server.ended("params[0]: 1.0", None)]


def _empty_objects(server: FakeServer) -> list[Fault]:
    return [status(200, {}), status(200, {"error": None}), status(200, {"choices": "x"})]


def told(*codes: Any, text: str = "no") -> Faults:
    """Tell of an error in an answer whose status is good."""

    def faults(server: FakeServer) -> list[Fault]:
        errors = [{"message": said(server, text), **({} if code is None else {"code": code})} for code in codes]
        return [status(200, {"error": error}) for error in errors]

    return faults


LONG = "params[0]: 1.0\n" + "because " * 500_000
CONTROL = "".join(map(chr, range(32))) + "\x7f\x85\u2028\u202e\ufeff\x1b[31mred"

IN_A_CALL = (
    Failure("429, rate limit", statuses(429), RETRIED, "HTTP 429"),
    Failure(
        "429 or 503 with `Retry-After` in seconds",
        statuses(429, 503, headers={"Retry-After": str(RETRY_AFTER_S)}),
        RETRIED,
        "HTTP",
    ),
    Failure("503 with `Retry-After` as a date", _retry_after_date, RETRIED, "HTTP 503"),
    Failure("408, 500, 502, 503, 504, 529", statuses(408, 500, 502, 503, 504, 529), RETRIED, "HTTP"),
    Failure(
        "502 with a page instead of JSON",
        lambda server: [status(502, f"<html>{said(server)}</html>".encode())],
        RETRIED,
        "HTTP 502",
    ),
    Failure("connection refused", always(), RETRIED, "connection refused"),
    Failure("connection reset", always(reset()), RETRIED, "reset"),
    Failure("connection closed without an answer", always(hang_up()), RETRIED, "without an answer"),
    Failure(
        "no answer in time: silence, headers alone, a byte at a time",
        always(stall(), stall(after_headers=True), trickle(b" " * 1000, 0.05)),
        RETRIED,
        "no complete answer within",
    ),
    Failure(
        "answer broken off",
        always(truncated(), raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{")),
        RETRIED,
        "broke off",
    ),
    Failure("answer that is not HTTP", always(raw(b"SSH-2.0-OpenSSH_9.6\r\n")), RETRIED, "not HTTP"),
    Failure(
        "damaged compression",
        always(status(200, b"not gzip", {"Content-Encoding": "gzip"})),
        RETRIED,
        "compression",
    ),
    Failure(
        "body not JSON: empty, a page, cut, two objects, no object",
        lambda server: [
            status(200, body)
            for body in (b"", f"<p>{said(server)}</p>".encode(), b'{"choices": [{"mes', b"{}\n{}", b"[1]", b"null")
        ],
        RETRIED,
        "the answer is not",
    ),
    Failure("body in latin-1 or UTF-16", _all(encoded("latin-1"), encoded("utf-16")), RETRIED, "not JSON in UTF-8"),
    Failure("200 with an error in it: 429, 502, 529 or unknown", told(429, "502", 529, None), RETRIED, "HTTP 200 with"),
    Failure("no answer in the answer", _empty_objects, RETRIED, "no text"),
    Failure("empty or blank text", answers("", " \n\t"), RETRIED, "no text"),
    Failure("refusal", fields(lambda server: server.refusals(said(server))), RETRIED, "refused to answer"),
    Failure("cut off at the token limit, with and without text", fields(_cut_off), ASKED_AGAIN, "cut off"),
    Failure(
        "400 that names a setting",
        lambda server: [status(400, server.error(400, said(server, "Unsupported parameter: 'temperature'")))],
        STOPS,
        "change or remove temperature in the config",
    ),
    Failure("other 400, 405, 413, 422", statuses(400, 405, 413, 422), STOPS, "HTTP 4"),
    Failure("401, 403", statuses(401, 403), STOPS, "_API_KEY"),
    Failure("200 with an error in it: 400, 404, 422", told(400, 404, 422), STOPS, "HTTP 200 with error 4"),
    Failure("200 with an error in it: 401, 403", told(401, 403), STOPS, "_API_KEY"),
    Failure("200 with an error in it: 402", told(402), STOPS, "credit"),
    Failure("404, unknown model", statuses(404, text="no such model"), STOPS, "check the model name"),
    Failure("quota or credit exhausted", _exhausted, STOPS, "credit"),
    Failure(
        "429, a limit for hours or days is used up",
        statuses(429, text="you (me) have reached your weekly usage limit, upgrade for higher limits"),
        STOPS,
        "quota",
    ),
    Failure(
        "redirect",
        lambda server: [status(307, headers={"Location": f"/elsewhere?key={server.key}"})],
        STOPS,
        "not followed",
    ),
    Failure("an error midway", fields(_error_midway), RETRIED, "failed before the end"),
    Failure("an unknown reason for the end, and none", fields(_other_ends), TAKEN),
    Failure("reply of 4 MB", answers(LONG), TAKEN),
    Failure("control, colour and direction characters in a reply", answers(CONTROL), TAKEN),
    Failure(
        "byte order mark, or a header that names another encoding",
        _all(encoded("utf-8-sig"), encoded("utf-8", {"Content-Type": "application/json; charset=latin-1"})),
        TAKEN,
    ),
    Failure("half a surrogate pair in a reply", answers("params[0]: 1\ud800"), TAKEN),
)

AT_FIRST_CONTACT = (
    Failure("no key", always(), ERROR, "is not set"),
    Failure("nobody listens", always(), ERROR, "connection refused"),
    Failure("no such host", always(), ERROR, "host name was not found"),
    Failure("silence, reset, hang-up", always(stall(), reset(), hang_up()), ERROR, "cannot reach"),
    Failure("wrong key", statuses(401, 403, text="bad key"), ERROR, "_API_KEY"),
    Failure("unknown model", always(), ERROR, "has no model"),
    Failure(
        "a server that does not tell what it serves",
        lambda server: [*statuses(404, 405, 500)(server), status(200, b"<html>hello</html>"), status(200, {"x": 1})],
        CONTINUES,
    ),
)


# ---- Letting it go wrong ----


def see_in_a_call(
    failure: Failure, name: str, folder: Path, variant: int = 0, *, lasting: bool = False, **settings: Any
) -> Seen:
    """Let one variant of a failure happen to a real client, once or for as long as it lasts; say what came of it.

    ``settings`` are further ones of the provider, such as ``streaming``.
    """
    with SERVERS[name](key=KEY) as server, nobody_listens() as nowhere:
        environ = dict(server.environ)
        if failure.what == "connection refused":
            environ[server.base_url_variable] = nowhere
        else:
            fault = failure.faults(server)[variant]
            (server.always if lasting else server.inject)(fault)
        timeout_s = SHORT_S if failure.what.startswith("no answer in time") else LONG_S
        return _ask(_provider(server, environ, **{"timeout_s": timeout_s, **settings}), folder)


def _ask(provider: Provider, folder: Path) -> Seen:
    seen = Seen("")
    failures: list[str] = []

    def on_failure(failed: AttemptFailed, _wait: float) -> None:
        failures.append(failed.reason)

    settings: Mapping[str, Any] = {
        "name": "some model",
        "sampling": SAMPLING,
        "max_attempts": ATTEMPTS,
        "sleep": seen.waits.append,
        "on_failure": on_failure,
    }
    with open_client(provider, folder, **settings) as client:
        try:
            seen.received = client.ask(QUESTION, str)
        except CallFailed as failed:
            seen.outcome = RETRIED if failed.retryable else STOPS
            seen.reason = str(failed)
    seen.events = list(iterate_lines(folder / FILE))
    if seen.received is not None:
        seen.outcome = RETRIED if failures else ASKED_AGAIN if seen.received.refusal else TAKEN
        seen.reason = failures[0] if failures else seen.received.refusal
    return seen


def see_at_first_contact(failure: Failure, name: str, variant: int = 0) -> Seen:
    """Let one variant of a failure happen to a first contact; say what came of it."""
    with SERVERS[name](key=KEY) as server, nobody_listens() as nowhere:
        environ = dict(server.environ)
        if failure.what == "no key":
            environ = {}
        elif failure.what == "nobody listens":
            environ[server.base_url_variable] = nowhere
        elif failure.what == "no such host":
            environ[server.base_url_variable] = "http://no-such-host.invalid"
        elif failure.what == "unknown model":
            server.models = [f"{model}-2" for model in server.default_models]
        else:
            server.always(failure.faults(server)[variant], server.contact_path)
        try:
            _provider(server, environ).check()
        except InputError as error:
            return Seen(ERROR, str(error))
        return Seen(CONTINUES)


def _provider(server: FakeServer, environ: Mapping[str, str], **settings: Any) -> Provider:
    return provider_for(server.model, ProviderSettings(environ, **{"timeout_s": LONG_S, **settings}))


@contextmanager
def nobody_listens() -> Iterator[str]:
    """Give an address at which there is no server; it is taken, so that no other can come to be there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def variants(failure: Failure, name: str) -> int:
    """Return in how many ways a failure can show with a provider."""
    if failure.what == "no key":
        return 0 if name == "Ollama" else 1
    if failure.what in ("connection refused", "nobody listens", "no such host", "unknown model"):
        return 1
    return len(failure.faults(SERVERS[name](key=KEY)))


# ---- The table ----


def table(outcome: Callable[[Failure, str], str]) -> str:
    """Return the table of all failures, as Markdown."""
    lines = []
    for title, failures in (("at first contact", AT_FIRST_CONTACT), ("during a call", IN_A_CALL)):
        lines += [f"| {title} | {' | '.join(SERVERS)} |", f"|---|{'---|' * len(SERVERS)}"]
        for failure in failures:
            lines.append(f"| {failure.what} | {' | '.join(outcome(failure, name) for name in SERVERS)} |")
        lines.append("")
    return "\n".join(lines).strip()


def expected(failure: Failure, name: str) -> str:
    """Return what is to come of a failure."""
    return failure.outcome if variants(failure, name) else CANNOT_BE


def observed(failure: Failure, name: str) -> str:
    """Return what comes of a failure, in all the ways in which it shows."""
    outcomes = []
    for variant in range(variants(failure, name)):
        if failure in AT_FIRST_CONTACT:
            seen = see_at_first_contact(failure, name, variant)
        else:
            with tempfile.TemporaryDirectory() as folder:
                seen = see_in_a_call(failure, name, Path(folder), variant)
        outcomes.append(seen.outcome)
    return " or ".join(dict.fromkeys(outcomes)) or CANNOT_BE


if __name__ == "__main__":
    sys.stdout.write(table(observed) + "\n")
