"""Another model for the critic: who is asked what, what it costs, and that every way on from there knows of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.cli import main
from r2po.llm.store import CallStore
from r2po.runlog import open_run
from tests.llm.fake_servers import FakeOllama, FakeOpenAI
from tests.process.processes import CARTPOLE, KEYS, logged, one_line, player, write_config
from tests.process.test_replay import assert_same

Run = Callable[..., int]
RUN = Path("logs/run_1")
TWO = {
    **CARTPOLE,
    "temperature": 0.5,
    "critic_llm_model_name": "big",
    "critic": {"temperature": 0, "max_output_tokens": 77, "prices": {"input": 30, "output": 100}},
    "prices": {"input": 1, "output": 2},
}
CALLS = CARTPOLE["num_iterations"]


@pytest.fixture
def servers() -> Iterator[tuple[FakeOllama, FakeOpenAI]]:
    """The search's server and the critic's."""
    with FakeOllama(player) as search, FakeOpenAI(player, models=["big"], key="key-of-the-critic") as critic:
        yield search, critic


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: tuple[FakeOllama, FakeOpenAI]) -> Run:
    """Run the config in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name, value in {**servers[0].environ, **servers[1].environ}.items():
        monkeypatch.setenv(name, value)
    return lambda *options: main(["run", "--config", "config.yaml", *options])


def test_each_role_asks_its_own_model_with_its_own_settings(
    run: Run, servers: tuple[FakeOllama, FakeOpenAI], capsys: pytest.CaptureFixture[str]
) -> None:
    search, critic = servers
    write_config(Path(), TWO)
    assert run() == 0
    assert (len(search.chats), len(critic.chats)) == (CALLS, CALLS)
    assert {chat["options"]["temperature"] for chat in search.chats} == {0.5}
    assert {(chat["model"], chat["temperature"], chat["max_tokens"]) for chat in critic.chats} == {("big", 0, 77)}
    assert all("num_predict" not in chat["options"] for chat in search.chats)
    assert all("Proposed parameters" in critic.prompt_of(chat) for chat in critic.chats)
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("model ollama/tiny critic model big") == 2
    description, result = yaml.safe_load((RUN / "run.yaml").read_text()), open_run(RUN).read_result()
    for record in (description, result):
        assert (record["model"], record["critic_model"], record["stand_in"]) == ("ollama/tiny", "big", False)
    for role, name in {"search": "ollama/tiny", "critic": "big"}.items():
        assert main(["prompt", str(RUN), "1", role]) == 0
        assert f"===== reply of {name}: accepted =====" in capsys.readouterr().out
    tokens = result["tokens"]
    for role, (price, output) in {"search": (1, 2), "critic": (30, 100)}.items():
        cost = (tokens[role]["prompt_tokens"] * price + tokens[role]["completion_tokens"] * output) / 1e6
        assert result["accounting"][role]["cost"] == pytest.approx(cost)
    assert result["cost"] == pytest.approx(sum(result["accounting"][role]["cost"] for role in tokens))


def test_without_its_keys_nothing_is_new_but_two_empty_fields(run: Run) -> None:
    write_config(Path(), CARTPOLE)
    assert run("--quiet") == 0
    same = ("--set", "critic_llm_model_name=ollama/tiny", "critic={temperature: null}", "logdir=same")
    assert run("--quiet", *same) == 0
    one, other = logged(RUN), logged(Path("same/run_1"))
    for log in (one, other):
        assert (log["run.yaml"].pop("critic_model"), log["result.json"].pop("critic_model")) == (None, None)
        config = log["run.yaml"].pop("config")
        assert (config["critic_llm_model_name"], config["critic"]) == (None, None)
    assert one == other


def test_a_run_with_two_models_is_resumed_with_both(run: Run, servers: tuple[FakeOllama, FakeOpenAI]) -> None:
    search, critic = servers
    write_config(Path(), TWO)
    assert run("--quiet", "--set", "logdir=calm") == 0
    assert run("--quiet", "--set", "max_llm_calls=3") == 1
    assert run("--quiet", "--resume", "--set", "critic_llm_model_name=other") == 2
    assert run("--quiet", "--resume", "--set", "critic.temperature=1") == 2
    assert run("--quiet", "--resume", "--set", "critic.prices.input=3") == 0
    assert (len(search.chats), len(critic.chats)) == (2 * CALLS, 2 * CALLS)
    calm, resumed = logged(Path("calm/run_1")), logged(RUN)
    assert resumed["iterations.jsonl"] == calm["iterations.jsonl"]
    assert resumed["result.json"]["cost"] < calm["result.json"]["cost"]


def test_providers_are_told_only_of_replies_of_their_own_role(run: Run) -> None:
    write_config(Path(), {**TWO, "critic_llm_model_name": "ollama/tiny", "critic": {"num_ctx": 65536}})
    assert run("--quiet", "--set", "max_llm_calls=3") == 1
    assert run("--quiet", "--resume") == 0
    store = CallStore(RUN)
    sent = {
        role: {reply.reply.sent["num_ctx"] for reply in store.replies if reply.role == role}
        for role in ("search", "critic")
    }
    store.close()
    assert sent == {"search": {32768}, "critic": {65536}}


def test_the_caps_are_on_the_sum(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), TWO)
    assert run("--quiet", "--set", "logdir=calm") == 0
    costs = open_run("calm/run_1").read_result()["accounting"]
    cap = costs["search"]["cost"] * 2
    assert cap < costs["critic"]["cost"]
    assert run("--quiet", "--set", f"max_cost={cap}") == 1
    assert "max_cost is reached" in one_line(capsys.readouterr().err)
    assert run("--quiet", "--set", "critic.prices=null", "max_cost=1") == 2
    assert "max_cost is 1; it needs critic.prices.input and critic.prices.output" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("replay", ["replay/logs/run_1", "replay/again/run_1"])
def test_a_replay_answers_for_both(
    run: Run, servers: tuple[FakeOllama, FakeOpenAI], replay: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(Path(), TWO)
    assert run("--quiet") == 0
    for server in servers:
        server.models = []  # would fail at first contact
    assert run("--set", "llm_model_name=replay/logs/run_1", "logdir=again") == 0
    assert capsys.readouterr().out.count("big (replay of logs/run_1)") == 2
    # The settings are the recorded ones, whatever the config says.
    options = ("critic.temperature=1", "critic_llm_model_name=null", "critic.prices=null", "logdir=third")
    assert run("--quiet", "--set", f"llm_model_name={replay}", *options) == 0
    assert (open_run("third/run_1").read_result()["cost"], len(servers[1].chats)) == (None, CALLS)
    assert_same(RUN, Path("again/run_1"))
    for name in ("again", "third"):
        config = yaml.safe_load(Path(name, "run_1/run.yaml").read_text())["config"]
        assert (config["critic"]["temperature"], config["critic_llm_model_name"]) == (0, "big")
    assert run("--quiet", "--set", f"critic_llm_model_name={replay}") == 2
    said = one_line(capsys.readouterr().err)
    assert f"critic_llm_model_name is '{replay}'; a replay answers for every role: set llm_model_name to it" in said


def test_the_first_contact_is_made_with_both(
    run: Run, servers: tuple[FakeOllama, FakeOpenAI], capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(Path(), {**TWO, "critic_llm_model_name": "bigg"})
    assert run("--quiet") == 2
    assert "has no model 'bigg' (did you mean 'big'?)" in one_line(capsys.readouterr().err)
    assert (servers[0].chats, servers[1].chats) == ([], [])
    assert not Path("logs").exists()
    assert main(["sweep", "config.yaml", "--runs", "2", "--quiet"]) == 2
    assert "has no model 'bigg'" in one_line(capsys.readouterr().err)


def test_both_are_shown_and_examined_beforehand(
    run: Run, servers: tuple[FakeOllama, FakeOpenAI], capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(Path(), TWO)
    assert run("--dry-run") == 0
    shown = capsys.readouterr().out
    assert "\nmodels: search ollama/tiny, critic big\n" in shown
    addresses = dict(line.removeprefix("server of ").split(": ") for line in shown.splitlines() if "server of " in line)
    hosts = {role: server.url.rpartition("/")[2] for role, server in zip(("search", "critic"), servers, strict=True)}
    assert {role: host in addresses[role] for role, host in hosts.items()} == {"search": True, "critic": True}
    assert main(["doctor", "--config", "config.yaml"]) == 0
    said = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert [text for _, what, text in said if what in ("search:", "critic:")] == ["ollama/tiny", "big"]
    assert [what for _, what, _ in said].count("call:") == 2


def test_a_method_without_a_critic_says_so(
    run: Run, servers: tuple[FakeOllama, FakeOpenAI], capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(Path(), {**TWO, "method": "props"})
    servers[1].models = []
    assert run() == 0
    assert "critic_llm_model_name, critic: no effect, props has no critic\n" in capsys.readouterr().out
    description = yaml.safe_load((RUN / "run.yaml").read_text())
    assert (description["critic_model"], description["config"]["critic_llm_model_name"]) == (None, None)
    assert servers[1].requests == []


def test_a_sweep_knows_what_each_role_cost(run: Run, servers: tuple[FakeOllama, FakeOpenAI]) -> None:
    write_config(Path(), {**TWO, "num_iterations": 2})
    prices = {"search": (1, 2), "critic": (30, 100)}
    assert main(["sweep", "config.yaml", "--runs", "2", "--quiet", "--max-cost", "100"]) == 0
    for number in (1, 2):
        result = json.loads(Path(f"logs/run_{number}/result.json").read_text())
        cost: Any = sum(
            (tokens["prompt_tokens"] * prices[role][0] + tokens["completion_tokens"] * prices[role][1]) / 1e6
            for role, tokens in result["tokens"].items()
        )
        assert result["cost"] == pytest.approx(cost)
    assert (len(servers[0].chats), len(servers[1].chats)) == (4, 4)
