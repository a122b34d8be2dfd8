"""Reasons are true of the runs that they are given for, and of no others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.baselines.sb3.config import load_sb3_config
from r2po.baselines.sb3.plan import FACTS, RECORDED
from r2po.installation import shipped_configs
from r2po.reproduce.context import Context
from r2po.reproduce.model_reasons import of_model
from r2po.reproduce.page import Made, page_of
from r2po.reproduce.part import Experiment
from r2po.reproduce.parts import find_part
from r2po.reproduce.parts.props_core import PROPS_CORE
from tests.analysis.made_logs import write_run
from tests.reproduce.made import VERSIONS, make_runs, outcome, request_for
from tests.reproduce.test_outcome import made, numbered, reasons

LUCK = "maxima over noisy means"


@pytest.mark.parametrize(
    ("paper", "model", "told"),
    [
        ("gpt-oss:20b", "ollama/gpt-oss:20b-cloud", "has the paper's name"),
        ("gpt-oss:20b", "openrouter/openai/gpt-oss-20b:free", "has the paper's name"),
        ("gpt-oss:20b", "groq/openai/gpt-oss-20b", "has the paper's name"),
        ("gpt-oss:20b", "ollama/gpt-oss:120b", "Another model"),
        ("GPT-4o", "gpt-4o", "has the paper's name"),
        ("GPT-4o", "gpt-4o-2024-08-06", "a snapshot of"),
        ("GPT-4o", "gpt-4o-mini", "Another model"),
        ("GPT-4o", "gpt-4o-mini-2024-07-18", "Another model"),
    ],
)
def test_a_model_is_known_under_the_names_of_other_providers(tmp_path: Path, paper: str, model: str, told: str) -> None:
    make_runs(tmp_path / "logs", Experiment("cartpole", "r2po", CARTPOLE), 1, numbered, model=model)
    part = replace(find_part("r2po", "core"), model=paper)
    cell = next(each for each in outcome(request_for(tmp_path, only=["cartpole"])).cells if each.runs)
    (text,) = of_model(cell, Context(part, shipped_configs(), {}))
    assert told in text
    assert model in text


CARTPOLE = "cartpole/cartpole_reflective_prompted_policy_optimization.yaml"


def test_luck_is_part_of_noisy_tasks_alone(tmp_path: Path) -> None:
    found = made(tmp_path, runs=2, only=["maze", "cartpole"])
    assert all(LUCK in reasons(found, row=row) for row in ("CartPole", "Maze"))  # rollouts in these logs differ
    assert LUCK not in reasons(found, group="Mean reward over the iterations")
    alike_rollouts(tmp_path / "logs")
    again = outcome(request_for(tmp_path, only=["maze", "cartpole"]))
    assert LUCK not in reasons(again, row="Maze")
    assert LUCK in reasons(again)


def alike_rollouts(logs: Path) -> None:
    for path in logs.glob("*/run_*/iterations.jsonl"):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        for record in records:
            for candidate in record["candidates"]:
                candidate["returns"] = [record["reward"]] * 4
        path.write_text("".join(f"{json.dumps(record)}\n" for record in records))


def test_the_page_says_for_which_group_a_reason_holds(tmp_path: Path) -> None:
    found = made(tmp_path, runs=2)
    page = page_of(found, Made(tmp_path, (), (), (), ()))
    after = page[page.index(LUCK) :]
    assert after.split('class="where">')[1].startswith("Best reward: ")


def test_all_versions_of_the_simulator_are_named(tmp_path: Path) -> None:
    request = request_for(tmp_path, only=["swimmer"])
    for each in request.runs:
        folder = make_runs(request.place.logs, each, 3, numbered)
        for number, versions in ((2, {**VERSIONS, "mujoco": "3.5.0"}), (3, {})):
            path = folder / f"run_{number}/run.yaml"
            path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "versions": versions}))
    told = reasons(outcome(request), row="Swimmer")
    assert "mujoco 3.4.5 and 3.5.0, gymnasium 1.2.3 (1 of 3 runs do not say)" in told


def test_the_spread_of_props_is_in_doubt_where_there_is_one(tmp_path: Path) -> None:
    request = request_for(tmp_path, "props")
    request.place.logs.mkdir()
    cells = {(cell.environment, cell.method): cell for cell in outcome(request).cells}
    told = {name: PROPS_CORE.remarks(cell) for name, cell in cells.items()}
    assert {bool(text) for text in told.values()} == {True, False}
    for name, text in told.items():
        published = cells[name].published
        assert published is not None
        assert bool(text) == bool(published.std)
        assert all("less sure, and the distance smaller" in each for each in text)


def test_the_code_of_one_paper_says_nothing_of_another(tmp_path: Path) -> None:
    request = request_for(tmp_path, "props", only=["cartpole"])
    for each in request.runs:
        make_runs(request.place.logs, each, 2, numbered)
    found = outcome(request)
    assert "The prompts are those of this package" in reasons(found, "ProPS")
    assert "first line" not in reasons(found, "ProPS")


def trials(logs: Path, hyperparameters: Mapping[str, Any], **changes: Any) -> str:
    """Write two trials of PPO on Pong, and return the reasons of their column."""
    config = load_sb3_config(shipped_configs() / "sb3_baselines/pong_sb3.yaml").model_dump(mode="json")
    recorded = {key: config[key] for key in (*RECORDED, "budget_target")}
    recorded |= {"method": "sb3", "algorithm": "PPO", "hyperparameters": dict(hyperparameters), **changes}
    source = {"from": "rl-baselines3-zoo", "overridden": sorted(hyperparameters)}
    about = {"model": "none", "method": FACTS, "versions": VERSIONS, "hyperparameter_source": source}
    for number in (1, 2):
        rewards: Sequence[float] = [0.0, 1.0 + number]
        write_run(logs / "pong_sb3/ppo", number, rewards, description=about, config=recorded)
    found = outcome(request_for(logs.parent, only=["pong"], suites=True))
    return reasons(found, "SB3", row="Pong")


def test_suites_as_shipped_have_no_settings_to_tell(tmp_path: Path) -> None:
    told = trials(tmp_path / "logs", {})
    assert "Ours rests on 2 runs" in told
    assert "Settings" not in told
    assert "normalised" not in told


def test_settings_of_suites_are_named(tmp_path: Path) -> None:
    told = trials(tmp_path / "logs", {"normalize": True}, budget_target=300, eval_episodes=1)
    assert "eval_episodes 20 there, 1 here" in told
    assert "budget_target 4000 there, 300 here" in told
    assert "hyperparameters of PPO set by hand: none there, normalize here" in told
    assert "The best algorithm was trained on normalised observations" in told


@pytest.mark.parametrize("written", [False, "false", {"norm_obs": False}, "dict(norm_obs=False, norm_reward=True)"])
def test_observations_that_stay_as_they_are(tmp_path: Path, written: Any) -> None:
    assert "normalised" not in trials(tmp_path / "logs", {"normalize": written})
