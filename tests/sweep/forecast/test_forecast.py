"""What a sweep is expected to take is about what it then takes, and nothing is started that was not approved."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks.prompt_tokens import counter
from r2po import cores
from r2po.cli import main
from r2po.config import Config
from r2po.errors import InputError, RunStopped
from r2po.experiment.launch import Place, launch
from r2po.experiment.observer import Observer
from r2po.llm.gate import Gate
from r2po.llm.prices import Prices
from r2po.llm.providers import embedded_code
from r2po.llm.tokens import features_of, usual_tokens
from r2po.llm.usage import Usage
from r2po.prompts.windows import HistoryWindow
from r2po.runlog.events import read_calls
from r2po.sweep.forecast import calls, pilots
from r2po.sweep.forecast.amounts import Amounts
from r2po.sweep.forecast.forecast import Forecast, Terms, _dearest, _State, forecast
from r2po.sweep.forecast.on_record import OnRecord, together
from r2po.sweep.forecast.pilot import Pilot, RolePilot, fly
from r2po.sweep.forecast.report import as_json, check_approved, count
from r2po.sweep.plan import SweepRequest, plan
from r2po.sweep.sweep import Sweep, SweepStopped
from tests.llm.fake_ollama import CHARS_PER_TOKEN, FakeOllama
from tests.process.processes import KEYS, NIM, one_line, player, write_config

NEAR, TOKENIZERS_DIFFER = 0.15, 0.3
EMBEDDED = {**NIM, "llm_model_name": "embedded/search"}
SERVED = {**NIM, "num_iterations": 6}
PRICES = {"input": 2.0, "output": 10.0}
FEW: Mapping[str, Any] = {"num_iterations": 8, "num_evaluation_episodes": 3}
PROGRAMS: Mapping[str, Any] = {
    "gym_env_name": "CartPole-v1",
    "method": "promptpo",
    "llm_model_name": "embedded/code",
    "repairs": 0,
    "candidates": 2,
    "num_evaluation_episodes": 1,
    "max_traj_length": 20,
    "budget": "iterations",
}


def experiments(folder: Path, values: Mapping[str, Any], runs: int = 2, *settings: str) -> SweepRequest:
    config = write_config(folder, {**values, "logdir": str(folder / "logs/one")})
    return SweepRequest([str(config)], settings, range(1, runs + 1))


def few_iterations(monkeypatch: pytest.MonkeyPatch, most: int = 4) -> None:
    """Let pilots be shorter than the runs: how they go on is then foreseen, too."""
    monkeypatch.setattr(pilots, "fly", lambda config, _seconds: fly(config, math.inf, most))


def at(seed: int) -> Place:
    """Return the place of a run in a sweep whose calls are not held up."""
    return Place(seed, gate=lambda _client, _budget: Gate())


def made(folder: Path, request: SweepRequest, environ: Mapping[str, str], *seeds: int) -> list[Path]:
    """Make runs of a plan, and return their directories."""
    runs = [run for run in plan(request) if not seeds or run.seed in seeds]
    for run in runs:
        launch(run.config, None, environ, Observer(), place=at(run.seed))
    return [run.path for run in runs]


def is_near(expected: float, real: float, most: float = NEAR) -> bool:
    assert abs(expected - real) <= most * real, f"{expected} was expected, and it was {real}"
    return True


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({**EMBEDDED, **FEW, "method": "r2po"}, id="r2po-table"),
        pytest.param({**EMBEDDED, **FEW, "method": "props"}, id="props-table"),
        pytest.param({**EMBEDDED, **FEW, "method": "propsp", "gym_env_name": "CartPole-v1"}, id="propsp"),
        pytest.param({**EMBEDDED, **FEW, "method": "three_traj", "gym_env_name": "CartPole-v1"}, id="ablation"),
    ],
)
def test_a_sweep_takes_about_what_its_forecast_says(
    values: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(values, tmp_path, monkeypatch, most=3)


@pytest.mark.slow
def test_a_search_for_programs_takes_about_what_its_forecast_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the stand-in makes no slips, since each weighs much in so few calls."""
    monkeypatch.setattr(embedded_code, "EmbeddedCode", partial(embedded_code.EmbeddedCode, errs=False))
    monkeypatch.setattr(pilots, "_SEEDS", (1,))
    compare({**EMBEDDED, **FEW, **PROGRAMS, "num_iterations": 5}, tmp_path, monkeypatch, most=3, runs=1)


@pytest.mark.slow
def test_a_long_search_for_programs_takes_about_what_its_forecast_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {**EMBEDDED, **PROGRAMS, "candidates": 4, "num_evaluation_episodes": 2, "num_iterations": 16, "repairs": 2}
    compare(values, tmp_path, monkeypatch, most=8)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["r2po", "props", "propsp", "always_critic"])
@pytest.mark.parametrize("environment", ["CartPole-v1", "Nim-v0"])
def test_a_long_sweep_takes_about_what_its_forecast_says(
    environment: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"llm_model_name": "embedded/search", "gym_env_name": environment, "method": method}
    few = {"heldout_episodes": 0, "reevaluation_episodes": 0}
    compare({**values, **few, "num_iterations": 80}, tmp_path, monkeypatch, most=60)


def compare(
    values: Mapping[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch, most: int = 4, runs: int = 2
) -> None:
    """Compare a forecast with the sums of the sweep.

    Its tokens are counted as the forecast counts them, and by a tokenizer where one is installed: as nothing on record
    tells which one counts, the forecast is for a middling one.
    """
    few_iterations(monkeypatch, most)
    request = experiments(folder, values, runs)
    total = forecast(plan(request), Terms(), {}).total
    calls = [call for path in made(folder, request, {}) for call in read_calls(path)]
    assert is_near(total.calls, len(calls))
    assert is_near(total.tokens_in, sum(tokens(call.prompt) for call in calls))
    assert is_near(total.tokens_out, sum(tokens(call.reply or "") for call in calls))
    if find_spec("bpe_openai"):
        by_o200k = counter()
        assert is_near(total.tokens_in, sum(by_o200k(call.prompt) for call in calls), TOKENIZERS_DIFFER)


def tokens(text: str) -> float:
    return usual_tokens(features_of(text))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a server that counts what it is sent, in characters."""
    monkeypatch.chdir(tmp_path)
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    with FakeOllama(player) as fake:
        monkeypatch.setenv("OLLAMA_BASE_URL", fake.url)
        yield fake


def foreseen(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    """Return what a dry run in JSON says."""
    capsys.readouterr()
    assert main(["sweep", "config.yaml", "--dry-run", "--json", *options]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_nothing_is_created_and_nobody_is_asked(
    tmp_path: Path, server: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path, SERVED)
    found = foreseen(capsys, "--runs", "3")
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert server.requests == []
    (one,), total = found["experiments"], found["total"]
    assert one["runs"] == {"new": 3, "resumed": 0, "complete": 0, "damaged": 0}
    assert (one["iterations"], one["calls"], total["calls"]) == (18, 18, 18)
    assert (one["models"], one["overrides"]) == ({"search": "ollama/tiny"}, [])
    assert total["tokens_out"] == 18 * 500, "what caps assume of a first reply"
    assert one["basis"]["reply_tokens"] == {"search": "an assumption"}
    assert [total[name] for name in ("tokens_cached", "cost", "cost_to_approve", "hours")] == [None] * 4
    assert 0 < total["disk_bytes"] < 1e6


def test_notes_are_beside_the_json(tmp_path: Path, server: FakeOllama, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(tmp_path, SERVED)
    suite = tmp_path / "suite.yaml"
    suite.write_text("gym_env_name: CartPole-v1\nlogdir: logs/suite\nbudget_mode: episodes\nbudget_target: 4000\n")
    assert main(["sweep", "config.yaml", str(suite), "--dry-run", "--json"]) == 0
    assert server.requests == []
    said = capsys.readouterr()
    assert "left out, since" in one_line(said.err)
    assert len(json.loads(said.out)["experiments"]) == 1


def test_what_is_on_record_corrects_the_forecast(
    tmp_path: Path, server: FakeOllama, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server counts characters by four, as no tokenizer does. One run is complete, one to resume, two are new."""
    values = {**SERVED, "prices": PRICES, "logdir": str(tmp_path / "logs/one")}
    request = SweepRequest([str(write_config(tmp_path, values))], [], range(1, 5))
    environ = {"OLLAMA_BASE_URL": server.url}
    made(tmp_path, request, environ, 1)
    _begin(plan(request)[1].config, environ, 2)
    asked = len(server.chats)
    found = foreseen(capsys, "--runs", "4")
    assert len(server.chats) == asked, "it is only foreseen"
    (one,), total = found["experiments"], found["total"]
    assert one["runs"] == {"new": 2, "resumed": 1, "complete": 1, "damaged": 0}
    assert one["basis"]["recorded_replies"] == 8
    assert set(one["basis"]["reply_tokens"].values()) == {"the experiment's replies on record"}
    made(tmp_path, request, environ, 2, 3, 4)
    later = [chat["messages"][0]["content"] for chat in server.chats[asked:]]
    assert total["calls"] == len(later) == 4 + 6 + 6
    tokens = sum(len(prompt) // CHARS_PER_TOKEN for prompt in later)
    out = sum(len(player(prompt)) // CHARS_PER_TOKEN for prompt in later)
    assert is_near(total["tokens_in"], tokens)
    assert is_near(total["tokens_out"], out)
    assert is_near(total["cost"], (2 * tokens + 10 * out) / 1e6)
    assert total["hours"] is not None
    assert total["cost_to_approve"] is None, "eight replies, and no limit, do not tell how long others may be"
    monkeypatch.setattr(calls, "ENOUGH", 8)
    total = foreseen(capsys, "--runs", "9")["total"]
    assert total["cost_to_approve"] == total["cost"] > 0


def _begin(config: Any, environ: Mapping[str, str], iterations: int) -> None:
    """Make the first iterations of a run."""

    class Leaves(Observer):
        def iterated(self, record: Any) -> None:
            if record["iteration"] == iterations:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(config, None, environ, Leaves(), place=at(config.seed))


def test_replies_that_had_to_be_asked_for_again_are_expected_again(
    tmp_path: Path, server: FakeOllama, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["I do not know."] * 3)
    monkeypatch.setattr(server, "_reply", lambda prompt: next(answers, player(prompt)))
    values = {**SERVED, "logdir": str(tmp_path / "logs/one")}
    request = SweepRequest([str(write_config(tmp_path, values))], [], range(1, 3))
    made(tmp_path, request, {"OLLAMA_BASE_URL": server.url}, 1)
    assert foreseen(capsys, "--runs", "2")["total"]["calls"] == len(server.chats) == 6 + 3


def test_main_forecasts_several_runs_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path, {**EMBEDDED, "num_iterations": 1, "logdir": str(tmp_path / "logs")})
    assert main(["run", "--config", str(config), "--runs", "3", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("forecast of 3 runs of 1 experiment\n")
    assert not (tmp_path / "logs").exists()


def test_a_complete_sweep_takes_nothing_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = experiments(tmp_path, {**EMBEDDED, "num_iterations": 1})
    made(tmp_path, request, {})
    found = forecast(plan(request), Terms(), {})
    assert found.total == Amounts()
    assert found.hours == 0.0
    config = request.configs[0]
    assert main(["sweep", config, "--runs", "2", "--dry-run"]) == 0
    assert "nothing is to come" in capsys.readouterr().out


def test_a_damaged_run_is_counted_and_left_out(tmp_path: Path) -> None:
    request = experiments(tmp_path, {**EMBEDDED, "num_iterations": 1})
    paths = made(tmp_path, request, {}, 1)
    (paths[0] / "run.yaml").write_text("no description", encoding="utf-8")
    (one,) = forecast(plan(request), Terms(), {}).experiments
    assert (one.new, one.damaged, one.amounts.calls) == (1, 1, 1)


def test_experiments_that_differ_in_who_answers_share_a_pilot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flown: list[tuple[Config, float]] = []

    def counted(config: Config, seconds: float) -> Pilot:
        flown.append((config, seconds))
        return fly(config, seconds)

    monkeypatch.setattr(pilots, "fly", counted)
    request = experiments(tmp_path, {**SERVED, "num_iterations": 2}, 1, "temperature=0,0.5", "warmup_episodes=3,4")
    found = forecast(plan(request), Terms(), {})
    assert len(found.experiments) == 4
    assert sum(config.seed == 1 for config, _ in flown) == 2


@pytest.mark.parametrize(
    "setting",
    [
        "prompts=published,compact",
        "description=published,detailed",
        "number_samples=true,false",
        "traj_history_last_n=1,2",
    ],
)
def test_experiments_with_other_prompts_have_pilots_of_their_own(setting: str, tmp_path: Path) -> None:
    runs = plan(experiments(tmp_path, {**SERVED, "num_iterations": 2}, 1, setting))
    assert len({pilots._key(run.config) for run in runs}) == len(runs) == 2


def test_a_window_of_the_history_has_a_pilot_of_its_own(tmp_path: Path) -> None:
    (run,) = plan(experiments(tmp_path, {**SERVED, "num_iterations": 2}, 1))
    windowed = run.config.model_copy(update={"history_window": HistoryWindow(best=1, last=1)})
    assert pilots._key(run.config) != pilots._key(windowed)


def test_a_process_that_is_killed_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BrokenProcessPool

    runs = plan(experiments(tmp_path, {**SERVED, "num_iterations": 3}, 1, "warmup_episodes=3,4"))
    monkeypatch.setattr(cores, "available", lambda: 2)
    monkeypatch.setattr(pilots, "_TOGETHER", 0)
    monkeypatch.setattr(pilots, "ProcessPoolExecutor", broken)
    with pytest.raises(RunStopped, match="it was killed, perhaps for its memory"):
        forecast(runs, Terms(), {})


def test_runs_to_come_cost_what_the_dearest_of_them_does(tmp_path: Path) -> None:
    runs = plan(experiments(tmp_path, {**SERVED, "num_iterations": 2}, 3))
    prices = [Prices(input=2.0, output=10.0), Prices(input=20.0, output=100.0), Prices(input=3.0, output=10.0)]
    priced = [
        replace(run, config=run.config.model_copy(update={"prices": each}))
        for run, each in zip(runs, prices, strict=True)
    ]
    states = {run.index: _State("new") for run in priced}
    assert _dearest(priced, states).prices == prices[1]
    assert _dearest(priced, {**states, 1: _State("complete")}).prices == prices[2]


@pytest.mark.slow
def test_pilots_in_processes_of_their_own_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = plan(experiments(tmp_path, {**SERVED, "num_iterations": 3}, 1, "warmup_episodes=3,4"))
    monkeypatch.setattr(cores, "available", lambda: 2)
    here = forecast(runs, Terms(), {}).total
    monkeypatch.setattr(pilots, "_TOGETHER", 0)
    there = forecast(runs, Terms(), {}).total
    assert (there.calls, there.tokens_in, there.tokens_out) == (here.calls, here.tokens_in, here.tokens_out)


def test_what_comes_after_a_pilot_is_like_its_latter_half_and_grows() -> None:
    role = RolePilot((1, 2, 2, 2), (10.0, 40.0, 60.0, 80.0), 5.0, 0.0, 0.0)
    assert role.expected(3) == (2, 60.0)
    # Iterations 3 and 4 have 35 tokens a prompt, in the middle at 3.5; the tenth is 6.5 later.
    assert role.expected(10) == (2.0, 2 * (35 + 5 * 6.5))


def test_pilots_with_several_seeds_count_together() -> None:
    """The shorter one is prolonged; a role that only one has is asked half as often."""
    short = Pilot(2, 4, {"a": RolePilot((1, 1), (10.0, 20.0), 10.0, 3.0, 0.0)}, 1.0, 10, 100, "any")
    more = {"a": RolePilot((1, 1, 1), (20.0, 30.0, 40.0), 20.0, 5.0, 0.0), "b": RolePilot((2,), (8.0,), 0.0, 1.0, 0.0)}
    both = pilots.together([short, Pilot(3, 4, more, 3.0, 10, 300, "any")])
    assert (both.iterations, both.planned, both.seconds, both.bytes_each) == (3, 4, 2.0, 200)
    assert both.roles["a"] == RolePilot((1.0, 1.0, 1.0), (15.0, 25.0, 35.0), 15.0, 4.0, 0.0)
    assert both.roles["b"].expected(1) == (1.0, 4.0)


def test_rollouts_are_lent_when_a_pilot_has_no_time_left(tmp_path: Path) -> None:
    """It makes its first iterations all the same, and their time counts as if all had been rolled out."""
    (run,) = plan(experiments(tmp_path, {**EMBEDDED, "method": "r2po"}, 1))
    hurried, whole = fly(run.config, 0.0), fly(run.config, math.inf, 3)
    assert (hurried.iterations, hurried.planned) == (3, 8)
    assert is_near(sum(hurried.roles["critic"].tokens), sum(whole.roles["critic"].tokens), 0.3)


def test_time_follows_from_the_rate_or_from_the_replies(tmp_path: Path) -> None:
    runs = plan(experiments(tmp_path, SERVED, 4))
    alone = forecast(runs, Terms(jobs=1, here=False, reply_s=600.0), {})
    assert alone.hours == pytest.approx(4 * 6 / 6, rel=0.01)
    four = Forecast(alone.experiments, Terms(jobs=4, here=False, reply_s=600.0))
    assert four.hours == pytest.approx(1, rel=0.01)
    paced = Forecast(alone.experiments, Terms(jobs=4, here=False, reply_s=600.0, calls_per_minute=0.1))
    assert paced.hours == pytest.approx(4, rel=0.01), "24 calls, six in an hour"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, r"not known what this plan costs: no prices of ollama/tiny .*; no limit on the replies of ollama/tiny"),
        ({"max_output_tokens": 100}, r"not known what this plan costs: no prices of ollama/tiny \(set prices"),
        ({"prices": PRICES}, r"not known what this plan costs: no limit on the replies of ollama/tiny \(set max_out"),
        ({"prices": PRICES, "max_output_tokens": 10_000}, r"this plan may cost 1\.2\d \(0\.088 with replies of"),
    ],
)
def test_nothing_begins_that_may_cost_more_than_was_approved(
    values: Mapping[str, Any], said: str, tmp_path: Path, server: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    """12 calls: 12 * 10,000 tokens for 10 a million, and the prompts."""
    write_config(tmp_path, {**SERVED, **values})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Sweep, "run", _never)
        assert main(["sweep", "config.yaml", "--runs", "2", "--approve-cost", "1"]) == 2
    line = one_line(capsys.readouterr().err)
    assert line.startswith("error: --approve-cost 1: ")
    assert re.search(said, line), line
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert server.requests == []


def test_a_sweep_stops_at_what_was_approved(tmp_path: Path, server: FakeOllama) -> None:
    """The forecast may be wrong: replies that must be asked for again are not in it."""
    write_config(tmp_path, {**SERVED, "prices": PRICES, "max_output_tokens": 100})
    caps: list[float | None] = []

    def begin(sweep: Sweep) -> None:
        caps.append(sweep._options.caps.max_cost)
        sweep._company.leave()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Sweep, "run", begin)
        for options in ([], ["--max-cost", "3"], ["--max-cost", "0.5"]):
            assert main(["sweep", "config.yaml", "--runs", "1", "--approve-cost", "1", *options]) == 0
    assert caps == [1.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("reached", "raised", "again"),
    [
        ("--max-cost 2", "--approve-cost 2", "--approve-cost 2"),
        ("--max-cost-each 2", "--max-cost-each 2", "--approve-cost 1 --max-cost-each 2"),
    ],
)
def test_a_sweep_that_stopped_there_goes_on_with_more_approved(
    reached: str, raised: str, again: str, tmp_path: Path, server: FakeOllama, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path, {**SERVED, "prices": PRICES, "max_output_tokens": 100})

    def stop(sweep: Sweep) -> None:
        sweep._company.leave()
        raise SweepStopped("max_cost is reached", reached)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Sweep, "run", stop)
        command = ["sweep", "config.yaml", "--runs", "1", "--approve-cost", "1"]
        patched.setattr("sys.argv", ["r2po", *command])
        assert main(command) == 1
    said = capsys.readouterr().err
    assert f"; raise it with {raised}\n" in said
    assert said.rstrip().endswith(f"config.yaml --runs 1 {again}")


def _never(_sweep: Any) -> None:
    raise AssertionError("the sweep began")


@pytest.mark.parametrize("options", [["--approve-cost", "5"], ["--approve-cost", "1", "--max-cost", "1"]])
def test_what_was_approved_begins(
    options: list[str], tmp_path: Path, server: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cap of no more than that is an approval too: it stops the sweep itself."""
    began: list[int] = []

    def begin(sweep: Sweep) -> None:
        began.append(len(sweep.runs))
        sweep._company.leave()

    monkeypatch.setattr(Sweep, "run", begin)
    write_config(tmp_path, {**SERVED, "prices": PRICES, "max_output_tokens": 10_000})
    assert main(["sweep", "config.yaml", "--runs", "2", *options]) == 0
    assert began == [2]


def test_an_amount_is_compared_exactly() -> None:
    def costing(cost: float) -> Forecast:
        found = Forecast([], Terms())
        found.__dict__["total"] = Amounts(cost=cost, cost_to_approve=cost)
        return found

    assert check_approved(costing(5.0), 5.0) == 5.0
    with pytest.raises(InputError, match=r"may cost 5\.01; nothing was started"):
        check_approved(costing(5.01), 5.0)


def test_the_table_fits_into_100_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {**SERVED, "num_iterations": 2, "prices": PRICES}
    first = write_config(tmp_path, {**values, "logdir": str(tmp_path / "logs" / ("long_" * 12))}, "a.yaml")
    second = write_config(tmp_path, {**values, "logdir": str(tmp_path / "logs/short")}, "b.yaml")
    caps = ["--max-llm-calls", "3", "--max-cost-each", "0.00001"]
    assert main(["sweep", str(first), str(second), "--dry-run", "--reply-s", "9", *caps]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == "forecast of 20 runs of 2 experiments"
    assert re.sub(" +", " ", lines[1]).strip() == "experiment new begun done calls tokens in cached out cost time disk"
    assert any(line.startswith("in all") and " 20 " in line and " 40 " in line for line in lines)
    assert "--max-llm-calls 3 would stop it before its end" in lines
    assert "--max-cost-each 1e-05 would stop 2 of 2 experiments before their end" in lines


def test_caps_are_compared_with_what_is_used_already_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {**EMBEDDED, "num_iterations": 2, "logdir": str(tmp_path / "logs/short")}
    path = str(write_config(tmp_path, values))
    assert main(["sweep", path, "--runs", "1", "--quiet"]) == 0
    for cap, lines in {"3": ["--max-llm-calls 3 would stop it before its end: 2 are used already"], "4": []}.items():
        capsys.readouterr()
        assert main(["sweep", path, "--runs", "2", "--dry-run", "--max-llm-calls", cap]) == 0
        assert [line for line in capsys.readouterr().out.splitlines() if "would stop" in line] == lines


@pytest.mark.parametrize("option", [["--json"], ["--reply-s", "3"], ["--calls-per-minute", "60"]])
def test_what_belongs_to_a_forecast_is_refused_without_one(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(write_config(tmp_path, EMBEDDED)), *option]) == 2
    assert one_line(capsys.readouterr().err) == f"error: {option[0]} is for a forecast: add --dry-run"


@pytest.mark.parametrize(("value", "said"), [(0, "0"), (999.4, "999"), (999.7, "1k"), (12_345, "12.3k"), (2e9, "2G")])
def test_numbers_have_three_digits(value: float, said: str) -> None:
    assert count(value) == said


def test_batches_save_half_and_cost_a_round_for_each_call_in_sequence(tmp_path: Path) -> None:
    """Three iterations of a method that asks twice in each, one after the other; all runs wait at once."""
    values = {**NIM, "llm_model_name": "openai:tiny", "prices": PRICES, "num_iterations": 3, "method": "r2po"}
    values["max_output_tokens"] = 400
    found = forecast(plan(experiments(tmp_path, values, 3)), Terms(batch_hours=2.0), {})
    total = found.total
    usual = (total.tokens_in * PRICES["input"] + total.tokens_out * PRICES["output"]) / 1e6
    assert total.cost == total.saved == pytest.approx(usual / 2, rel=1e-3)
    assert as_json(found)["batch"] == {"hours": 2.0, "rounds": 6, "saved": pytest.approx(usual / 2, rel=1e-3)}
    assert found.hours == pytest.approx(12.0, rel=0.01)
    most = total.tokens_in * PRICES["input"] + total.calls * 400 * PRICES["output"]
    assert check_approved(found, 100.0) == pytest.approx(most / 1e6 / 2, rel=1e-3)


def test_a_forecast_with_batches_refuses_models_without(tmp_path: Path) -> None:
    request = experiments(tmp_path, EMBEDDED)
    with pytest.raises(InputError, match="'embedded/search' has none"):
        forecast(plan(request), Terms(batch_hours=1.0), {})


def test_replies_in_batches_tell_nothing_of_how_long_a_server_takes() -> None:
    record = OnRecord()
    role = record.roles["search"]
    role.count(1, Usage(10, 0, 5), 2.0)
    before = record.was_in_batches
    role.count(2, Usage(10, 0, 5, price_share=0.5), 3600.0)
    assert (role.replies, role.timed, role.latency_s) == (2, 1, 2.0)
    assert (before, record.was_in_batches) == (False, True)
    assert (together([role, role]).timed, together([role, role]).latency_s) == (2, 4.0)
