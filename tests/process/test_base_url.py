"""``base_url`` in a config: who is asked, who gets a key, and what is recorded of the servers.

A server that is not this machine by its address, and yet is here, is reached by 0.0.0.0: the rule takes it for foreign.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from r2po.cli import main
from r2po.llm.key_hosts import VARIABLE
from tests.llm.fake_servers import FakeAnthropic, FakeOllama, FakeOpenAI, FakeServer
from tests.llm.fake_servers.core import status
from tests.process.processes import BASE_URLS, CARTPOLE, KEYS, one_line, player, write_config
from tests.process.test_replay import assert_same

KEY = "key-of-the-user-8q1f"
PASSWORD = "hunter2-8q1f"
RUN = Path("logs/run_1")
SMALL = {**CARTPOLE, "num_iterations": 2, "heldout_episodes": 0, "reevaluation_episodes": 0}
GATEWAY = {**SMALL, "llm_model_name": "openai:gemini-2.5/flash"}
Run = Callable[..., int]


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    """A gateway that serves models of any name in OpenAI's protocol, and takes any key or none."""
    with FakeOpenAI(player, models=["gemini-2.5/flash", "big"]) as fake:
        yield fake


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the config in the working directory; the key of OpenAI is set."""
    monkeypatch.chdir(tmp_path)
    for name in (*KEYS, *BASE_URLS, VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return lambda *options: main(["run", "--config", "config.yaml", "--quiet", *options])


def foreign(server: FakeServer) -> str:
    """Return the address of a server by a host that the rule takes for foreign."""
    return server.url.replace("127.0.0.1", "0.0.0.0")


def description(run: Path = RUN) -> Any:
    return yaml.safe_load((run / "run.yaml").read_text())


def replies(run: Path = RUN) -> list[Mapping[str, Any]]:
    events = [json.loads(line) for line in (run / "llm_calls.jsonl").read_text().splitlines()]
    return [event for event in events if event["event"] == "reply"]


def keys_sent(server: FakeServer) -> set[str]:
    return {server.key_of(request.headers) for request in server.requests}


def test_a_server_on_this_machine_is_asked_with_the_key(run: Run, server: FakeOpenAI) -> None:
    write_config(Path(), {**GATEWAY, "base_url": server.url + "/"})
    assert run() == 0
    assert {chat["model"] for chat in server.chats} == {"gemini-2.5/flash"}
    assert keys_sent(server) == {KEY}
    port = urlsplit(server.url).port
    here = {"scheme": "http", "host": "127.0.0.1", "port": port, "path": "/v1", "model": None}
    assert description()["servers"] == {"search": here}
    assert description()["model"] == "openai:gemini-2.5/flash"
    assert [reply["served"] for reply in replies()] == [{"model": "gemini-2.5/flash"}] * len(replies())
    assert len(replies()) == len(server.chats)


def test_a_replay_repeats_who_answered(run: Run, server: FakeOpenAI, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), {**GATEWAY, "base_url": server.url})
    assert run() == 0
    arguments = ["run", "--config", "config.yaml", "--set", "llm_model_name=replay/logs/run_1", "logdir=again"]
    assert main(arguments) == 0
    assert "base_url has no effect: replay/logs/run_1 asks no server" in capsys.readouterr().out
    again = Path("again/run_1")
    assert_same(RUN, again)
    assert [reply["served"] for reply in replies(again)] == [reply["served"] for reply in replies()]
    assert "servers" not in description(again)


def test_a_foreign_server_gets_no_key_and_no_request(
    run: Run, server: FakeOpenAI, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(Path(), {**GATEWAY, "base_url": foreign(server)})
    assert run() == 2
    where = f"0.0.0.0:{urlsplit(server.url).port}"
    said = one_line(capsys.readouterr().err)
    assert f"base_url is '{foreign(server)}', and OPENAI_API_KEY is not sent" in said
    assert f"set {VARIABLE}={where} in the environment" in said
    assert main(["sweep", "config.yaml", "--runs", "2", "--quiet"]) == 2
    assert f"set {VARIABLE}={where} in the environment" in one_line(capsys.readouterr().err)
    assert main(["doctor", "--config", "config.yaml"]) == 2
    assert f"FAILED  key:       base_url is '{foreign(server)}'" in capsys.readouterr().out
    assert run("--dry-run") == 0
    assert f"\na run would end at once: base_url is '{foreign(server)}'" in capsys.readouterr().out
    assert server.requests == []
    assert [path.name for path in Path().iterdir()] == ["config.yaml"]


@pytest.mark.parametrize("variable", [VARIABLE, "OPENAI_BASE_URL"])
def test_the_environment_names_a_host_that_may_have_the_key(
    variable: str, run: Run, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address = foreign(server)
    monkeypatch.setenv(variable, urlsplit(address).netloc if variable == VARIABLE else f"{address}/elsewhere")
    write_config(Path(), {**GATEWAY, "base_url": address})
    assert run("--dry-run") == 0
    assert f"\nserver of search: {address}\n" in capsys.readouterr().out
    assert run() == 0
    assert keys_sent(server) == {KEY}
    assert {urlsplit(request.path).path for request in server.requests} <= {"/v1/models", "/v1/chat/completions"}


def test_a_server_that_needs_no_key_may_be_anywhere(
    run: Run, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    write_config(Path(), {**GATEWAY, "base_url": foreign(server)})
    assert run() == 0
    assert server.chats
    assert not [request for request in server.requests if KEY in str(request.headers)]


def test_an_env_file_names_no_host(run: Run, server: FakeOpenAI, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), {**GATEWAY, "base_url": foreign(server)})
    Path(".env").write_text(f"{VARIABLE}=0.0.0.0\n")
    assert main(["run", "--config", "config.yaml"]) == 2
    said = capsys.readouterr()
    assert f"{VARIABLE} in {Path.cwd() / '.env'} has no effect" in said.out
    assert "is not sent to a host that only a config names" in one_line(said.err)
    assert server.requests == []


def test_a_redirect_takes_no_key_along(run: Run, server: FakeOpenAI, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeOpenAI(player) as gateway:
        gateway.always(status(307, headers={"Location": f"{foreign(server)}/chat/completions"}))
        gateway.models = list(server.models)
        write_config(Path(), {**GATEWAY, "base_url": gateway.url})
        assert run() == 2
        assert gateway.chats
    assert "which is not followed: set base_url" in one_line(capsys.readouterr().err)
    assert server.requests == []


def test_nothing_is_asked_before_all_servers_are_known_to_be_safe(
    run: Run, server: FakeOpenAI, capsys: pytest.CaptureFixture[str]
) -> None:
    critic = {"critic_llm_model_name": "big", "critic": {"base_url": foreign(server)}}
    write_config(Path(), {**GATEWAY, "base_url": server.url, **critic})
    write_config(Path(), {**GATEWAY, "base_url": server.url, "logdir": "others"}, "other.yaml")
    assert run() == 2
    assert main(["sweep", "other.yaml", "config.yaml", "--runs", "1", "--quiet"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert server.requests == []
    assert not Path("logs").exists()


@pytest.mark.parametrize("key", ["base_url", "critic.base_url"])
def test_credentials_in_an_address_stand_nowhere(key: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), GATEWAY)
    assert run("--set", f"{key}=http://user:{PASSWORD}@127.0.0.1:9/v1") == 2
    said = capsys.readouterr()
    assert f"{key} is 'http://127.0.0.1:9/v1', with a user's name or a password" in one_line(said.err)
    assert PASSWORD not in said.out + said.err
    assert not Path("logs").exists()


def test_those_of_the_environment_are_not_recorded(
    run: Run, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.replace("://", f"://user:{PASSWORD}@") + f"/{KEY}/..")
    write_config(Path(), {**GATEWAY, "llm_model_name": "openai:big"})
    run()
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.replace("://", f"://user:{PASSWORD}@"))
    assert run() == 0
    files = [path.read_bytes() for path in Path("logs").rglob("*") if path.is_file()]
    assert files
    assert not [data for data in files if b"8q1f" in data]


def test_a_run_goes_on_with_a_server_that_has_moved(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeOllama(player) as one, FakeOllama(player) as other:
        one.digest, other.digest = "sha256:aa", "sha256:bb"
        write_config(Path(), {**SMALL, "base_url": one.url})
        assert run("--set", "max_llm_calls=1") == 1
        assert description()["servers"]["search"]["model"] == {"digest": "sha256:aa"}
        capsys.readouterr()
        resumed = ["run", "--config", "config.yaml", "--resume", "--set", f"base_url={other.url}"]
        assert main(resumed) == 0
        assert (len(one.chats), len(other.chats)) == (1, 3)
    said = " ".join(capsys.readouterr().out.split())
    assert f"this run began with search at {one.url}; it continues with {other.url}" in said
    assert "the model of search is not the one with which this run began: it was digest sha256:aa, and is" in said


def test_a_critic_of_the_same_protocol_is_asked_there_too(run: Run, server: FakeOpenAI) -> None:
    write_config(Path(), {**GATEWAY, "base_url": server.url, "critic_llm_model_name": "big"})
    assert run() == 0
    assert [chat["model"] for chat in server.chats] == ["gemini-2.5/flash", "big"] * 2
    assert list(description()["servers"]) == ["search", "critic"]
    assert description()["config"]["critic"] is None


def test_a_critic_of_another_protocol_is_not(run: Run, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeAnthropic(player, models=["claude/x:y"]) as critics:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", critics.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "key-of-the-critic")
        write_config(Path(), {**GATEWAY, "base_url": server.url, "critic_llm_model_name": "anthropic:claude/x:y"})
        assert run() == 0
        assert (len(server.chats), [chat["model"] for chat in critics.chats]) == (2, ["claude/x:y"] * 2)
        assert (keys_sent(server), keys_sent(critics)) == ({KEY}, {"key-of-the-critic"})
        assert description()["config"]["critic"] == {"base_url": None}
        explicit = {"critic": {"base_url": critics.url}, "logdir": "explicit"}
        monkeypatch.delenv("ANTHROPIC_BASE_URL")
        write_config(Path(), {**yaml.safe_load(Path("config.yaml").read_text()), **explicit})
        assert run() == 0
        assert len(critics.chats) == 4


def test_the_runs_of_a_sweep_record_what_its_first_contact_was_told(run: Run) -> None:
    with FakeOllama(player) as server:
        server.digest = "sha256:aa"
        write_config(Path(), {**SMALL, "base_url": server.url})
        assert main(["sweep", "config.yaml", "--runs", "2", "--quiet"]) == 0
        assert [request.path for request in server.requests].count("/api/tags") == 1
    for number in (1, 2):
        told = description(Path(f"logs/run_{number}"))["servers"]["search"]
        assert (told["port"], told["model"]) == (urlsplit(server.url).port, {"digest": "sha256:aa"})


def test_a_stand_in_records_no_server(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), {**SMALL, "llm_model_name": "embedded/search", "base_url": "https://gw.example/v1"})
    assert main(["run", "--config", "config.yaml"]) == 0
    assert "base_url has no effect: embedded/search asks no server" in capsys.readouterr().out
    assert "servers" not in description()
    assert all("served" not in reply for reply in replies())
