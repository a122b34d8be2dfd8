"""What servers echo: no key is shown, however it is dressed up, wherever the text is cut."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from r2po.commands.doctor import Patient, examine
from r2po.errors import InputError, RunStopped, UnusableReply
from r2po.llm.registry import provider_for
from r2po.llm.transport import Transport
from r2po.llm.types import AttemptFailed, ProviderSettings, Question
from r2po.methods.asking import Ask
from tests.builders import open_client
from tests.llm.fake_ollama import FakeOllama, status
from tests.llm.fake_servers import SERVERS

KEY = 'sk-/very+secret&0123456789"abcdefghijklmnop='
WORD_KEY = "swordfsh"


def pieces(key: str) -> list[str]:
    """Return the parts of a key none of which may be seen."""
    length = len(key) // 2 + 2
    return [key[start : start + length] for start in range(len(key) - length + 1)]


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with FakeOllama() as server:
        yield server


def failure_of(fake: FakeOllama, code: int, body: Any, key: str = KEY) -> str:
    fake.inject(status(code, body))
    headers = {"Authorization": f"Bearer {key}"}
    transport = Transport(fake.url, base_url_variable="URL", key_variable="KEY", key=key, headers=headers, timeout_s=10)
    with pytest.raises(AttemptFailed) as caught:
        transport.post_json("/api/chat", {})
    return caught.value.reason


@pytest.mark.parametrize("code", [200, 400, 500])
@pytest.mark.parametrize("before", [0, 250, 290, 1950, 1980, 1999, 9990, 99_960, 99_999])
@pytest.mark.parametrize("filling", ["x", " ", "\0"])
def test_no_cut_leaves_a_part_of_a_key(fake: FakeOllama, code: int, before: int, filling: str) -> None:
    reason = failure_of(fake, code, (filling * before + KEY + " more").encode())
    assert not [piece for piece in [KEY[:8], KEY[:-1], *pieces(KEY)] if piece in reason]


DRESSES: list[Callable[[str], str]] = [
    lambda key: "\0".join(key),
    lambda key: key[:10] + "\0" + key[10:],
    lambda key: key[:10] + "\x1b[31m" + key[10:],
    lambda key: key[:10] + "\N{ZERO WIDTH SPACE}\r\n  " + key[10:],
    lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    lambda key: "".join(f"\\\\u{ord(c):04X}" for c in key),
    lambda key: "".join(f"\\x{ord(c):02x}" for c in key),
    lambda key: key.replace("/", "\\/").replace('"', '\\"'),
    lambda key: key[:10] + "\\u0000" + key[10:],
    lambda key: quote(key, safe=""),
    lambda key: quote(key, safe="").lower(),
    html.escape,
    lambda key: "".join(f"&#{ord(c)};" for c in key),
    lambda key: "".join(f"&#x{ord(c):x};" for c in key),
    lambda key: key[: len(key) - 1],
    lambda key: key[: len(key) // 2 + 1] + "...",
]


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("code", [200, 502])
def test_a_key_is_blanked_however_it_is_written(fake: FakeOllama, dress: Callable[[str], str], code: int) -> None:
    reason = failure_of(fake, code, f"bad key {dress(KEY)} here".encode())
    assert "bad key [key]" in reason
    assert "very" not in reason


@pytest.mark.parametrize("key", [KEY, WORD_KEY, "twelve-chars"])
def test_a_key_in_an_error_object_is_blanked(fake: FakeOllama, key: str) -> None:
    for code in (200, 400):
        assert "no access with [key]!" in failure_of(
            fake, code, {"error": f"no access with {key[:4]}\0{key[4:]}!"}, key
        )


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("key", [WORD_KEY, "a-key-of-fifteen"[:15]])
def test_a_key_among_the_names_of_models_is_blanked(name: str, key: str) -> None:
    with SERVERS[name](key=key, models=[f"a-{key}", "other"]) as server, pytest.raises(InputError) as caught:
        provider_for(server.model, ProviderSettings(server.environ, 10)).check()
    assert key not in str(caught.value)
    assert "a-[key]" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hunter2-hidden",
        "http://me:hunter2-hidden@",
        "http://me:hunter2-hidden@:8080",
        "https://:hunter2-hidden@/v1",
        "http://me:hunter2-hidden/v1",
        "http://me:1234567890",
        "me:hunter2-hidden",
        "http:me:hunter2-hidden@host",
        "http://host/v1?key=hunter2-hidden",
        "http://host/v1#hunter2-hidden",
        "hunter2-hidden",
        "sk-proj-hunter2-hidden",
        "http://me:hunter2-hidden@ho st",
        "ftp://me:hunter2-hidden",
    ],
)
def test_no_password_in_an_address_is_shown(url: str) -> None:
    with pytest.raises(InputError, match="URL is '") as caught:
        Transport(url, base_url_variable="URL", key_variable="KEY")
    for secret in ("hunter2", "hidden", "1234567890"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:11434", "127.0.0.1", "ftp://host:21/x", "http://:11434", "http://[::1:80"])
def test_an_address_without_secrets_is_shown_whole(url: str) -> None:
    with pytest.raises(InputError) as caught:
        Transport(url, base_url_variable="URL", key_variable="KEY")
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize("name", SERVERS)
def test_a_run_that_stops_for_want_of_a_reply_shows_no_key(name: str, tmp_path: Path) -> None:
    def read(text: str) -> str:
        raise UnusableReply(f"params[0] is {text!r}")

    with SERVERS[name](lambda _: f"my {WORD_KEY}", key=WORD_KEY) as server:
        provider = provider_for(server.model, ProviderSettings(server.environ, 10))
        with open_client(provider, tmp_path) as client, pytest.raises(RunStopped) as caught:
            Ask(client, Question(1, "search", 0, 1, "What are the parameters?"), read)()
    assert "the last one: params[0] is 'my [key]'" in str(caught.value)


def test_the_doctor_shows_no_key() -> None:
    with FakeOllama(lambda _: f"params[0]: {WORD_KEY}, params[1]: 1", key=WORD_KEY) as server:
        findings = list(examine(Patient("ollama/tiny", server.environ)))
    assert findings[-1].what == "format"
    assert WORD_KEY not in findings[-1].text
