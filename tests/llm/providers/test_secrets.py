"""No key of any provider gets out of a run, whatever careless servers make of it: not on disk, screen or command line.

``test_failures.py`` does the same for every single failure, below the level of a run.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from r2po.cli import main
from tests.llm.fake_servers import SERVERS, FakeServer
from tests.llm.fake_servers.core import Fault, Handler, stall
from tests.process.processes import (
    BASE_URLS,
    CARTPOLE,
    KEYS,
    Completed,
    continuation,
    finish,
    one_line,
    player,
    records,
    start_fresh_main,
    wait_until,
    write_config,
)

MARKS = {name: f"marker-{name.lower().replace('_', '-')}-8q1f" for name in KEYS}
SECRETS = (b"marker-", b"8q1f")
RETRYABLE = 5
REFUSED = 2


def echo_in_an_error(code: int, text: str = "") -> Fault:
    """Answer with an error that repeats all headers."""

    def fault(handler: Handler) -> None:
        handler.send_json(handler.server.fake.error(code, f"{text}{dict(handler.headers)}"), code)

    return fault


def echo_instead_of_json(handler: Handler) -> None:
    handler.send_bytes(f"<html>{dict(handler.headers)}</html>".encode())


def echo_without_a_reply(handler: Handler) -> None:
    handler.send_json(handler.server.fake.error(200, f"{dict(handler.headers)}"))


def echo_in_a_refusal(handler: Handler) -> None:
    fake = handler.server.fake
    said = f"I must not say {fake.key}"
    _answer(handler, (fake.refusals(said) or [fake.response("", said, fake.requests[-1].body)])[0])


def echo_in_a_reply(handler: Handler) -> None:
    fake = handler.server.fake
    _answer(handler, fake.response(f"no numbers, but {fake.key}", "prompt", fake.requests[-1].body))


def echo_in_a_cut_reply(handler: Handler) -> None:
    _answer(handler, handler.server.fake.cut_off(f"params[0]: {handler.server.fake.key}"))


def echo_in_a_broken_line(handler: Handler) -> None:
    handler.close_connection = True
    handler.wfile.write(f"HTTP/1.1 {handler.server.fake.key}\r\n\r\n".encode())


def _answer(handler: Handler, fields: object) -> None:
    fake = handler.server.fake
    body = fake.requests[-1].body
    assert isinstance(fields, dict)
    handler.send_json({**fake.response("text", "prompt", body), **fields})


def answer(handler: Handler) -> None:
    """Answer as if nothing were wrong."""
    handler.send_json(handler.server.fake.chat(handler.server.fake.requests[-1].body))


def one_each(*faults: Fault) -> list[Fault]:
    """Let each fault happen once, in a call of its own."""
    return [each for fault in faults for each in (fault, answer)]


def assert_clean(folder: Path, outputs: list[Completed]) -> None:
    texts = [text.encode() for done in outputs for text in (done.stdout, done.stderr)]
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 1
    for secret in SECRETS:
        assert not [data for data in texts + files if secret in data]


class Commands:
    """Runs commands in this process, in a folder and with the keys and the server of a test."""

    def __init__(
        self, folder: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(folder)
        for name in (*KEYS, *BASE_URLS):
            monkeypatch.delenv(name, raising=False)
        for name, value in {**server.environ, **MARKS}.items():
            monkeypatch.setenv(name, value)
        self._monkeypatch, self._capfd = monkeypatch, capfd

    def run(self, *options: str) -> Completed:
        self._monkeypatch.setattr(sys, "argv", ["main.py", *options])
        return self._result(main(["run", *options], program="main.py"))

    def doctor(self) -> Completed:
        return self._result(main(["doctor", "--config", "config.yaml"]))

    def _result(self, code: int) -> Completed:
        said = self._capfd.readouterr()
        return Completed([], code, said.out, said.err)


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.sampled(3)
def test_no_key_gets_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    kind = SERVERS[name]
    write_config(tmp_path, {**CARTPOLE, "llm_model_name": kind.model, "temperature": 0.5})
    outputs: list[Completed] = []
    with kind(player, key=MARKS[kind.key_variable]) as server:
        commands = Commands(tmp_path, server, monkeypatch, capfd)
        for code in (401, 403):
            server.inject(echo_in_an_error(code), path=server.contact_path)
        for _ in (401, 403):
            outputs.append(commands.run("--config", "config.yaml"))
            assert outputs[-1].returncode == 2
            assert server.key_variable in one_line(outputs[-1].stderr)

        server.inject(
            *one_each(
                echo_in_an_error(502),
                echo_instead_of_json,
                echo_without_a_reply,
                echo_in_a_refusal,
                echo_in_a_broken_line,
                echo_in_a_reply,
                echo_in_a_cut_reply,
            )
        )
        server.inject(echo_in_an_error(400, "temperature? "))
        stopped = commands.run("--config", "config.yaml")
        outputs.append(stopped)
        assert stopped.returncode == 1
        assert "change or remove temperature in the config" in one_line(stopped.stderr)

        how = continuation(stopped.stderr).split()
        assert how[:2] == ["python", "main.py"]
        outputs.append(commands.run(*how[2:]))
        assert outputs[-1].returncode == 0, outputs[-1].stderr
        outputs.append(commands.doctor())
        assert outputs[-1].returncode == 0
        server.inject(echo_in_an_error(403))
        outputs.append(commands.doctor())
        assert outputs[-1].returncode == 2
    events = records(tmp_path / "logs/run_1/llm_calls.jsonl")
    failures = [event["reason"] for event in events if event["event"] == "failure"]
    assert len(failures) == RETRYABLE + 1
    assert sum("[key]" in reason for reason in failures) >= 2
    assert sum(bool(event.get("refusal")) for event in events) == REFUSED
    assert sum("[key]" in event.get("text", "") for event in events) == REFUSED
    assert_clean(tmp_path, outputs)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "OpenAI" else pytest.mark.slow) for name in SERVERS]
)
def test_no_key_is_on_a_command_line(name: str, tmp_path: Path) -> None:
    kind = SERVERS[name]
    write_config(tmp_path, {**CARTPOLE, "llm_model_name": kind.model})
    with kind(player, key=MARKS[kind.key_variable]) as server:
        server.always(stall())
        process = start_fresh_main(tmp_path, server=server, **MARKS)
        wait_until(lambda: bool(server.chats), process)
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.send_signal(signal.SIGTERM)
        done = finish(process)
    assert done.returncode == 143
    assert b"main.py" in command
    assert not any(secret in command for secret in SECRETS)
    assert_clean(tmp_path, [done])
