"""Whole runs of methods that ask no model: the log, resuming, what is said, and what is refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.analysis.logs.experiments import find_experiments
from r2po.analysis.paper.results_tables import build_tables
from r2po.analysis.paper.reward_curves import build_curves
from r2po.analysis.paper.validation import Validation
from r2po.cli import main
from r2po.config import load_config
from r2po.experiment import resolve as resolving
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.methods import METHODS
from r2po.runlog import RunDirectory
from tests.analysis.made_logs import write_run
from tests.builders import CONFIGS
from tests.process.crashing import Crasher
from tests.process.processes import environ, logged, one_line, run_main, write_config
from tests.unsealed import unseal

ENVIRONMENTS = {
    "random_search": "CartPole-v1",
    "evolution_strategy": "Nim-v0",
    "cma_es": "CartPole-v1",
    "ars": "CartPole-v1",
}
each_method = pytest.mark.parametrize("method", ENVIRONMENTS)
SMALL = {"num_evaluation_episodes": 2, "heldout_episodes": 2, "warmup_episodes": 2, "logdir": "logs"}
KILLS = {"cma_es": 2, "random_search": 4, "evolution_strategy": 4, "ars": 4}
"""Each process that runs CMA-ES first takes a second or more to import pycma."""


def values(method: str, /, **changes: Any) -> dict[str, Any]:
    return {"method": method, "gym_env_name": ENVIRONMENTS[method], "num_iterations": 3, **SMALL, **changes}


def run(folder: Path, config: dict[str, Any], *options: str) -> int:
    write_config(folder, {**config, "logdir": str(folder / "logs")})
    return main(["run", "--config", str(folder / "config.yaml"), *options])


def test_all_methods_that_ask_no_model_are_tested() -> None:
    assert set(ENVIRONMENTS) == {name for name, method in METHODS.items() if not method.asks_model}


# ---- The log ----


@each_method
def test_a_run_needs_neither_model_nor_key_and_says_so(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, values(method)) == 0
    printed = capsys.readouterr().out
    assert "model          none" in printed
    assert not any(word in printed for word in ("calls", "tokens", "embedded", "unusable"))
    directory = RunDirectory(tmp_path / "logs/run_1")
    description, result = directory.read_description(), directory.read_result()
    assert (description["model"], description["stand_in"], description["config"]["llm_model_name"]) == (
        *("none", False, None),
    )
    assert ("cma" in description["versions"]) == (method == "cma_es")
    assert (result["model"], result["llm_calls"], result["tokens"], result["episodes"]) == ("none", 0, {}, 2 + 3 * 2)
    assert (directory.path / "llm_calls.jsonl").read_bytes() == b""
    for record in directory.read_iterations():
        (candidate,) = record["candidates"]
        assert (candidate["stage"], candidate["call"], record["llm_calls"]) == ("proposal", "", 0)
        assert "raw_params" not in candidate


def test_nothing_is_clipped_that_a_search_proposes_under_either_protocol(tmp_path: Path) -> None:
    trials = []
    for protocol in ("published", "controlled"):
        assert run(tmp_path / protocol, values("cma_es", protocol=protocol, num_evaluation_episodes=1), "--quiet") == 0
        records = RunDirectory(tmp_path / protocol / "logs/run_1").read_iterations()
        trials.append([record["candidates"][0]["params"] for record in records])
    assert trials[0][0] == trials[1][0]


def test_keys_of_the_model_are_called_idle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = {"llm_model_name": "claude-x", "temperature": 0, "max_llm_calls": 1}
    assert run(tmp_path, values("random_search", **changes)) == 0
    said = capsys.readouterr().out.splitlines()[0]
    assert said == "llm_model_name, temperature, max_llm_calls: no effect, random_search asks no model"
    assert RunDirectory(tmp_path / "logs/run_1").read_description()["config"]["llm_model_name"] is None


def test_a_dry_run_promises_episodes_and_no_prompt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {"method": "cma_es", "gym_env_name": "CartPole-v1"}
    assert run(tmp_path, config, "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "calls: none, the method asks no model" in printed
    assert "episodes: 4000 in evaluations, 20 in the warm-up, 100 held-out" in printed
    assert "prompt 1" not in printed
    assert not (tmp_path / "logs").exists()


# ---- What is refused ----


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "cma_es", "gym_env_name": "Nim-v0"}, "'cma_es' searches real parameters, not policy 'tabular'"),
        ({"method": "ars", "gym_env_name": "Nim-v0"}, "for that: random_search, evolution_strategy"),
        ({"method": "evolution_strategy"}, "'evolution_strategy' searches tables, not policy 'linear'"),
        ({"method": "cma-es"}, "did you mean 'cma_es'?"),
        ({"method": "r2po"}, "key 'llm_model_name' is missing; method 'r2po' asks a language model"),
    ],
)
def test_one_line_for_what_cannot_be(
    changes: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, values("random_search", **changes)) == 2
    assert message in one_line(capsys.readouterr().err)
    assert not (tmp_path / "logs").exists()


def test_a_missing_package_is_named_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(resolving, "find_spec", lambda _: None)
    assert run(tmp_path, values("cma_es")) == 2
    said = one_line(capsys.readouterr().err)
    assert "needs the package 'cma', which is not installed: pip install 'r2po[search]'" in said
    assert not (tmp_path / "logs").exists()
    assert run(tmp_path, values("ars"), "--quiet") == 0


def test_the_doctor_has_no_model_to_examine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--config", str(CONFIGS / "maze/maze_random_search.yaml")]) == 2
    assert "method 'random_search' asks no model" in one_line(capsys.readouterr().err)


# ---- Stop and resume ----


@pytest.fixture(scope="module")
def crasher() -> Iterator[Crasher]:
    with Crasher(environ()) as crasher:
        yield crasher


@each_method
@pytest.mark.sampled(3)
def test_a_killed_run_ends_as_an_undisturbed_one(method: str, tmp_path: Path, crasher: Crasher) -> None:
    """Killed at random points, in turn and anew: nothing but the times differs in any file."""
    # The reference engine: numba's cache writes files of its own.
    config = values(method, num_iterations=14, seed=5, rollout_engine="reference")
    write_config(tmp_path / "calm", config)
    assert crasher.run(tmp_path / "calm") == 0, (tmp_path / "calm/out").read_text()
    calm = logged(tmp_path / "calm/logs/run_1")
    points = random.Random(method)
    write_config(tmp_path / "killed", config)
    kills = 0
    for _ in range(KILLS[method]):
        resume = ["--resume", "1"] if kills else []
        if crasher.run(tmp_path / "killed", *resume, kill_at=points.randint(15, 40)) == 0:
            break
        kills += 1
    assert kills > 1
    assert crasher.run(tmp_path / "killed", "--resume", "1") == 0, (tmp_path / "killed/out").read_text()
    assert logged(tmp_path / "killed/logs/run_1") == calm


def test_a_run_of_another_version_of_the_optimizer_is_not_continued(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, values("cma_es"), "--quiet") == 0
    path = unseal(tmp_path / "logs/run_1")
    (path / "result.json").unlink()
    first, *rest = (path / "iterations.jsonl").read_text().splitlines(keepends=True)
    params = str(RunDirectory(path).read_iterations()[0]["candidates"][0]["params"][0])
    (path / "iterations.jsonl").write_text(first.replace(params, "0.125") + "".join(rest[:1]))
    before = (path / "iterations.jsonl").read_bytes()
    assert run(tmp_path, values("cma_es"), "--quiet", "--resume", "1") == 2
    assert "the search tries other parameters in iteration 1" in one_line(capsys.readouterr().err)
    assert (path / "iterations.jsonl").read_bytes() == before


def test_another_process_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("here", "there"):
        write_config(tmp_path / name, values("cma_es", seed=3, num_iterations=25, max_traj_length=20))
    monkeypatch.chdir(tmp_path / "here")
    assert main(["run", "--config", "config.yaml", "--quiet"]) == 0
    assert run_main(tmp_path / "there", "--quiet").returncode == 0
    here, there = (logged(tmp_path / name / "logs/run_1") for name in ("here", "there"))
    assert here == there


# ---- Frozen policies ----


@pytest.mark.parametrize("policy", ["random_features", "projected_mlp"])
@pytest.mark.parametrize("method", ["random_search", "cma_es", "ars"])
@pytest.mark.sampled(3)
def test_frozen_policies_are_searched_too(method: str, policy: str, tmp_path: Path) -> None:
    overrides = [f"{key}={value}" for key, value in {**SMALL, "logdir": tmp_path, "max_traj_length": 3}.items()]
    file = CONFIGS / f"swimmer/swimmer_{method}.yaml"
    config = load_config(file, [*overrides, "num_iterations=2", f"policy={policy}"])
    assert launch(config, None, {}, Observer())["iterations"] == 2


# ---- Tables and curves ----


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for method in ("random_search", "cma_es"):
        config = yaml.safe_load((CONFIGS / f"cartpole/cartpole_{method}.yaml").read_text())
        for seed in (1, 2):
            assert run(tmp_path / method, {**config, **SMALL, "num_iterations": 2, "seed": seed}, "--quiet") == 0
    write_run(tmp_path / "r2po", 1, [9.0, 11.0], config={"method": "r2po"})
    return tmp_path


def test_searches_stand_in_the_rows_of_every_model(logs: Path) -> None:
    write_run(logs / "other", 1, [1.0], config={"method": "r2po"}, description={"model": "openai/x"})
    validation = Validation()
    table = build_tables("search", find_experiments(logs), validation, reference="published")["mean_best_reward"]
    cartpole = [[cell.text for cell in row] for row in table.cells if row[0].plain == "cartpole"]
    column = {name: index for index, name in enumerate(table.columns)}
    assert [row[column["R2PO"]][:5] for row in cartpole] == ["11.00", "1.00 "]
    for name in ("Random search", "CMA-ES"):
        assert cartpole[0][column[name]] == cartpole[1][column[name]] != ""
    (below, _) = next(row for row in table.cells if row[0].plain == "cartpole")[column["R2PO"]].below
    assert below == "published 500.00 ± 0.00"


def test_what_a_search_cannot_do_is_not_missing(logs: Path) -> None:
    validation = Validation()
    experiments = find_experiments(logs)
    build_tables("search", experiments, validation)
    missing = {(task["name"], column) for task, column, *_ in validation.rows}
    assert {("swimmer", "ARS"), ("nim", "(1+λ)-ES"), ("nim", "Random search"), ("nim", "R2PO")} <= missing
    assert not missing & {("nim", "ARS"), ("maze", "CMA-ES"), ("swimmer", "(1+λ)-ES")}
    (figure,), _ = build_curves("search", experiments, ["cartpole"])
    assert "No runs: ProPS; ProPS+; ARS." in figure.caption
    assert [curve.label for curve in figure.panels[0].curves] == ["R2PO", "Random search", "CMA-ES"]


@pytest.mark.usefixtures("blank_figures")
def test_commands(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--preset", "search", "--logs-root", str(logs)]
    assert main(["paper_results_tables", *options, "--output-dir", str(tmp_path / "t")]) == 0
    assert main(["paper_reward_curves", *options, "--output", str(tmp_path / "c.png")]) == 0
    assert main(["eval", "--logdir", str(logs / "cma_es/logs")]) == 0
    assert "model none, protocol published" in capsys.readouterr().out
