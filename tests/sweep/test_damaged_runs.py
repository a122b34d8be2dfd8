"""Damaged runs: sweep, status and analyses count them alike, and the commands that are shown mend them."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from r2po import load_runs
from r2po.cli import main
from r2po.cli.sweep import add_options
from r2po.cli.sweep_again import command_to_continue
from r2po.runlog import RunDirectory
from r2po.runlog.condition import Condition, condition_of
from r2po.sweep import manifest
from r2po.sweep.messages import AttemptOutcome, Note, PermitRequest, Progress, Verdict
from r2po.sweep.plan import PlannedRun, SweepRequest, plan
from r2po.sweep.runner import make_run
from r2po.sweep.status import read_board
from r2po.sweep.sweep import Sweep, SweepOptions
from tests.experiment.mutations import mutate
from tests.process.processes import write_config

RUNS = 30
VALUES: Mapping[str, Any] = {
    "gym_env_name": "CartPole-v1",
    "method": "r2po",
    "llm_model_name": "embedded/search",
    "num_iterations": 2,
    "num_evaluation_episodes": 2,
    "warmup_episodes": 2,
    "heldout_episodes": 2,
    "max_traj_length": 20,
    "keep_trajectories": "all",
    "rollout_engine": "reference",
    "logdir": "logs/cp",
}


class Silent:
    """Grants every call, and hears nothing."""

    def ask(self, ask: PermitRequest | AttemptOutcome) -> Verdict:
        return Verdict(ask.run)

    def tell(self, message: AttemptOutcome | Progress | Note) -> None: ...


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: None)


def request_of(runs: int, logs: str | None = None) -> SweepRequest:
    return SweepRequest([write_config(Path(), VALUES).name], (), list(range(1, runs + 1)), logs=logs)


def make(runs: list[PlannedRun]) -> list[str]:
    """Make the runs in this process; returns why some are not complete."""
    return [ended.reason for run in runs if (ended := make_run(run, {}, Silent())).state != "complete"]


def condition(number: int) -> Condition:
    return condition_of(RunDirectory(Path(f"logs/cp/run_{number}")))


def means() -> dict[str, float]:
    runs = load_runs("logs", calls=False).runs
    return dict(zip(runs["run"], runs["mean_reward"], strict=True))


def damage_all(runs: list[PlannedRun]) -> None:
    """Damage each run in a way of its own; every third one has not reached its end."""
    for run in runs:
        if run.seed % 3 == 0:
            (run.path / "result.json").unlink()
        mutate(run.path, random.Random(run.seed))
        if run.seed % 7 == 0 and not (run.path / "result.json").exists():
            with (run.path / "iterations.jsonl").open("ab") as file:
                file.write(b'{"iteration":3,"rew')  # torn by a kill: no damage


def test_all_count_damaged_runs_alike_and_the_commands_shown_mend_them() -> None:
    request = request_of(RUNS)
    runs = plan(request)
    assert make(runs) == []
    before = means()
    damage_all(runs)
    kinds = Counter(condition(run.seed).kind for run in runs)
    assert min(kinds[kind] for kind in ("begun", "complete", "damaged")) >= 4
    sweep = Sweep(request, SweepOptions(), {})
    sweep._company.leave()
    (found,), _ = manifest.find(Path("logs"))
    for board in (sweep.board, read_board(found)[0]):
        states = board.total.states
        assert (states["complete"], states["damaged"], states.total()) == (kinds["complete"], kinds["damaged"], RUNS)
    frames = load_runs("logs", calls=False)
    held = frames.runs["notes"].map(lambda notes: any("cannot be continued" in note for note in notes))
    assert frames.runs["complete"].sum() == kinds["complete"]
    assert (~frames.runs["complete"].astype(bool) & ~held).sum() == kinds["begun"]
    left = RUNS - len(frames.runs)
    assert f"logs: {RUNS - left} of {RUNS} runs used; left out: {left} damaged" in frames.problems[-1]
    assert left + held.sum() == kinds["damaged"]
    for run in runs:
        if command := condition(run.seed).remedy:
            subprocess.run(command, shell=True, check=True)
    assert make(runs) == []
    assert means() == before


@pytest.mark.parametrize(
    ("damaged", "aside"),
    [
        (["result.json"], ["result.json"]),
        (["iterations.jsonl"], ["iterations.jsonl", "result.json"]),
        (["warmup.jsonl"], ["warmup.jsonl", "result.json"]),
        (["iterations.jsonl", "llm_calls.jsonl"], ["run_1"]),
        (["llm_calls.jsonl"], []),  # a complete run asks nothing any more
        (["run.yaml"], ["run_1"]),
    ],
)
def test_no_more_is_moved_aside_than_must_be(damaged: list[str], aside: list[str]) -> None:
    assert make(plan(request_of(1))) == []
    for name in damaged:
        path = Path("logs/cp/run_1") / name
        path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    assert [path.name for path in condition(1).aside] == aside
    assert condition(1).kind == ("damaged" if aside else "complete")


def test_a_second_remedy_overwrites_nothing() -> None:
    assert make(plan(request_of(1))) == []
    Path("logs/cp/run_1/run.yaml").write_text("x")
    shutil.copytree("logs/cp/run_1", "logs/cp/run_1.damaged")
    assert condition(1).remedy == "mv logs/cp/run_1 logs/cp/run_1.damaged2"


def test_status_finds_sweeps_below_and_its_command_continues_them(capsys: pytest.CaptureFixture[str]) -> None:
    request = request_of(2, logs="logs/paper")
    runs = plan(request)
    assert make(runs) == []
    Sweep(request, SweepOptions(name="mine"), {})._company.leave()
    (runs[1].path / "result.json").unlink()
    assert main(["status", "logs"]) == 0
    *_, headline, again = capsys.readouterr().out.splitlines()
    assert headline.startswith("1/2 runs done")
    assert again == "to continue: r2po sweep logs/paper/mine"
    assert main(again.partition("r2po ")[2].split()) == 0
    assert main(["status", "logs"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("2/2 runs done")


def test_a_sweep_says_itself_what_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    Sweep(request_of(1), SweepOptions(name="mine"), {})._company.leave()
    assert main(["sweep", "logs/mine", "--runs", "3"]) == 2
    assert "logs/mine is a sweep, which says itself what to run; leave out --runs" in capsys.readouterr().err


def test_a_long_list_of_configs_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser("r2po sweep")
    add_options(parser)
    how = ["--max-llm-calls", "2", "--jobs", "9", "--quiet"]
    arguments = [*(f"{name}.yaml" for name in "abcd"), "--runs", "1", "--name", "mine", *how]
    monkeypatch.setattr("sys.argv", ["r2po", "sweep", *arguments])
    again = command_to_continue(parser.parse_args(arguments), Path("logs/mine"), "--max-llm-calls 4")
    assert again == "r2po sweep logs/mine --jobs 9 --quiet --max-llm-calls 4"
    monkeypatch.setattr("sys.argv", ["r2po", "sweep", *arguments[2:]])
    assert command_to_continue(parser.parse_args(arguments[2:]), Path("logs/mine")).startswith(
        "r2po sweep c.yaml d.yaml --runs 1"
    )


def test_runs_beyond_the_largest_number_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert make(plan(request_of(3))) == []
    told = "logs: 2 of 3 runs used; left out: 1 beyond the first 2 of an experiment (max-runs)"
    assert load_runs("logs", max_runs=2, calls=False).problems == (told,)
    options = ["--logs-root", "logs", "--max-runs", "2", "--formats", "md"]
    for command in ("paper_budget_tables", "paper_results_tables", "paper_salience_analysis"):
        main([command, *options])
        assert f"warning: {told}" in capsys.readouterr().err.splitlines()
