"""``prices: auto``: looked up when a run begins, recorded, and never looked up again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.cli import main
from r2po.errors import InputError
from r2po.llm.ledger import Caps
from r2po.runlog import RunDirectory, open_run
from r2po.sweep.from_logs import read_progress
from r2po.sweep.plan import SweepRequest, plan
from r2po.sweep.sweep import Sweep, SweepOptions
from tests.llm.fake_servers import FakeAnthropic
from tests.llm.listed_prices import LISTED, VERSION, Listing, list_prices
from tests.process.processes import CARTPOLE, KEYS, one_line, player, write_config

Run = Callable[..., int]
RUN = Path("logs/run_1")
LISTED_RUN = {**CARTPOLE, "llm_model_name": "claude-tiny", "prices": "auto"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    list_prices(monkeypatch, LISTED)
    with FakeAnthropic(player, models=["claude-tiny", "claude-big"]) as server:
        for name in KEYS:
            monkeypatch.delenv(name, raising=False)
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        yield lambda *options: main(["run", "--config", "config.yaml", *options])


def recorded(path: Path = RUN) -> Any:
    return yaml.safe_load((path / "run.yaml").read_text())["config"]


def test_each_model_has_its_own_prices_and_the_log_says_whose(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), {**LISTED_RUN, "critic_llm_model_name": "claude-big", "max_cost": 100})
    assert run() == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "prices of claude-tiny, per million tokens: input 3, cached 0.3, cache_write 3.75, output 15" in said
    config = recorded()
    for prices, listed in ((config["prices"], (3, 0.3, 3.75, 15)), (config["critic"]["prices"], (15, 1.5, 18.75, 75))):
        assert (prices["input"], prices["cached"], prices["cache_write"], prices["output"]) == listed
        assert prices["source"].startswith(f"genai-prices {VERSION}, looked up on ")
    result = open_run(RUN).read_result()
    for role, (price, output) in {"search": (3, 15), "critic": (15, 75)}.items():
        tokens = result["tokens"][role]
        cost = (tokens["prompt_tokens"] * price + tokens["completion_tokens"] * output) / 1e6
        assert result["accounting"][role]["cost"] == pytest.approx(cost)


def test_a_run_that_goes_on_keeps_its_prices_even_if_the_list_is_gone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(Path(), LISTED_RUN)
    assert run("--quiet", "--set", "logdir=calm") == 0
    assert run("--quiet", "--set", "max_llm_calls=3") == 1
    list_prices(monkeypatch, {("anthropic", "claude-tiny"): Listing(1000, 1000, 1000, 1000)})
    assert run("--quiet", "--resume", "--set", "max_llm_calls=5") == 1
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    assert run("--quiet", "--resume") == 0
    assert open_run(RUN).read_result()["cost"] == open_run(Path("calm/run_1")).read_result()["cost"]


def test_a_sweep_looks_them_up_for_runs_that_have_not_begun(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config(Path(), LISTED_RUN)
    assert run("--quiet", "--set", "max_llm_calls=1") == 1
    list_prices(monkeypatch, {("anthropic", "claude-tiny"): Listing(7, 1, 8, 9)})
    begun, new = (each.config.known_prices for each in plan(SweepRequest(["config.yaml"], [], [1, 2])))
    assert begun is not None
    assert new is not None
    assert (begun.input, new.input) == (3, 7)


TWO_MODELS = {**LISTED_RUN, "critic_llm_model_name": "claude-big"}
REPLAY = ("--set", "llm_model_name=replay/logs/run_1", "logdir=again")
AGAIN = Path("again/run_1")


def test_a_replay_has_the_prices_of_the_recorded_run_even_if_the_list_is_gone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(Path(), TWO_MODELS)
    assert run("--quiet") == 0
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    assert run("--quiet", *REPLAY) == 0
    assert open_run(AGAIN).read_result()["cost"] == open_run(RUN).read_result()["cost"]
    for key in ("prices", "critic"):
        assert recorded(AGAIN)[key] == recorded()[key]
    write_config(Path(), {**LISTED_RUN, "llm_model_name": "replay/logs/run_1", "logdir": "third"})  # names no critic
    assert run("--quiet") == 0
    assert open_run(Path("third/run_1")).read_result()["cost"] == open_run(RUN).read_result()["cost"]
    (planned,) = plan(SweepRequest(["config.yaml"], [], [2]))
    prices = [planned.config.for_role(role).known_prices for role in ("search", "critic")]
    assert [each and each.input for each in prices] == [3, 15]


def test_a_replay_of_a_run_without_prices_has_none(run: Run) -> None:
    write_config(Path(), {**LISTED_RUN, "prices": None})
    assert run("--quiet") == 0
    write_config(Path(), LISTED_RUN)
    assert run("--quiet", *REPLAY) == 0
    assert recorded(AGAIN)["prices"] is None


def test_a_replay_of_nothing_is_named_as_such(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), LISTED_RUN)
    assert run("--quiet", *REPLAY) == 2
    assert one_line(capsys.readouterr().err).startswith("error: cannot replay: ")


NUMBERS = {"input": 0.003, "output": 0.015}


@pytest.mark.parametrize(
    ("began", "then", "reason"),
    [
        ({"prices": None}, {}, "began with none: set prices.input and prices.output"),
        ({"prices": NUMBERS}, {}, "began with input 0.003, output 0.015: set prices.input and prices.output"),
        (
            {"critic": {"prices": NUMBERS}},
            {"critic": {"prices": "auto"}},
            "began with input 0.003, output 0.015: set critic.prices.input and critic.prices.output",
        ),
    ],
)
def test_a_run_that_began_with_other_prices_does_not_go_on_with_a_list(
    run: Run, capsys: pytest.CaptureFixture[str], began: dict[str, Any], then: dict[str, Any], reason: str
) -> None:
    write_config(Path(), {**TWO_MODELS, **began})
    assert run("--quiet", "--set", "max_llm_calls=2") == 1
    capsys.readouterr()
    write_config(Path(), {**TWO_MODELS, **then})
    assert run("--quiet", "--resume") == 2
    assert one_line(capsys.readouterr().err).endswith(reason)
    with pytest.raises(InputError, match=f"cannot resume .*run_1.*{reason}$"):
        plan(SweepRequest(["config.yaml"], [], [1]))
    write_config(Path(), {**TWO_MODELS, "prices": NUMBERS})
    assert run("--quiet", "--resume") == 0
    plan(SweepRequest(["config.yaml"], [], [1]))  # it is complete: nothing goes on


def test_a_run_that_began_with_a_list_may_go_on_with_numbers(run: Run) -> None:
    write_config(Path(), LISTED_RUN)
    assert run("--quiet", "--set", "max_llm_calls=1") == 1
    assert run("--quiet", "--resume", "--set", "prices.input=3", "prices.output=0") == 0
    tokens = open_run(RUN).read_result()["tokens"].values()
    cost = sum(role["prompt_tokens"] * 3 for role in tokens) / 1e6
    assert open_run(RUN).read_result()["cost"] == pytest.approx(cost)


def test_where_no_model_is_asked_there_are_no_prices(run: Run) -> None:
    write_config(Path(), {**LISTED_RUN, "method": "random_search", "critic": {"prices": "auto"}})
    assert run("--quiet") == 0
    assert (recorded()["prices"], recorded()["critic"]) == (None, None)
    (RUN / "result.json").unlink()
    assert run("--quiet", "--resume") == 0


def test_a_sweep_with_a_cap_on_money_has_runs_that_ask_no_model(run: Run) -> None:
    write_config(Path(), LISTED_RUN)
    request = SweepRequest(["config.yaml"], ["method=random_search,props"], [1])
    sweep = Sweep(request, SweepOptions(caps=Caps(max_cost=1.0)), os.environ)
    sweep._company.leave()
    assert [each.config.known_prices is None for each in sweep.runs] == [True, False]


def test_logs_with_a_word_for_prices_are_read_as_logs_without(run: Run) -> None:
    """Earlier versions recorded the word where no model was asked."""
    write_config(Path(), {**LISTED_RUN, "method": "random_search"})
    assert run("--quiet") == 0
    description: Any = open_run(RUN).read_description()
    description["config"] |= {"prices": "auto", "critic": {"prices": "auto"}}
    older = RunDirectory.create(Path("older"))
    older.write_description(description)
    progress = read_progress(0, older.path, 4)
    assert (progress.state, progress.now, progress.cost) == ("waiting", "", None)
    assert run("--quiet", "--resume", "--set", "logdir=older") == 0


def test_a_dry_run_and_doctor_say_what_would_be_looked_up(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(Path(), LISTED_RUN)
    told = "prices of claude-tiny, per million tokens: input 3, "
    assert run("--dry-run") == 0
    assert f"\n{told}" in capsys.readouterr().out
    assert main(["doctor", "--config", "config.yaml"]) == 0
    assert f"ok      prices:    {told}" in capsys.readouterr().out
    write_config(Path(), {**LISTED_RUN, "llm_model_name": "claude-huge"})
    unknown = f"prices is auto, and genai-prices {VERSION} knows no model 'claude-huge' of anthropic"
    assert run("--dry-run") == 0
    assert f"\na run would end at once: {unknown}" in capsys.readouterr().out
    assert main(["doctor", "--config", "config.yaml"]) == 2
    assert f"FAILED  prices:    {unknown}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"llm_model_name": "anthropic:claude-huge"}, "knows no model 'claude-huge' of anthropic"),
        ({"llm_model_name": "embedded/search"}, "lists no prices of 'embedded/search'"),
        ({"prices": "atuo"}, "prices is 'atuo'; expected a section of keys or 'auto'"),
    ],
)
def test_what_cannot_be_looked_up_stops_the_run_before_it_begins(
    run: Run, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], reason: str
) -> None:
    write_config(Path(), {**LISTED_RUN, **changes})
    assert run("--quiet") == 2
    assert reason in one_line(capsys.readouterr().err)
    assert not RUN.exists()
