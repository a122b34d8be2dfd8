"""``prices: auto``: looked up when a run begins, recorded, and never looked up again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.cli import main
from r2po.runlog import open_run
from r2po.sweep.plan import SweepRequest, plan
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
