"""What analyses and the status of a sweep say of damaged logs: which number is wrong, and nothing of other runs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from r2po import load_runs
from r2po.analysis.logs.load import load_log_directory
from r2po.errors import InputError
from r2po.experiment.launch import launch
from r2po.runlog import RunDirectory
from r2po.sweep.from_logs import ended_at, read_progress
from tests.experiment.test_damaged_logs import RUN, change, half
from tests.experiment.test_mutated_logs import Listener, config
from tests.unsealed import unseal


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: None)


FIGURES: dict[str, tuple[str, Callable[[str], str], str, str]] = {
    "reward": (
        "iterations.jsonl",
        lambda text: text.replace('"reward":', '"reward":9', 1),
        "iterations.jsonl, line 1: best_reward is ",
        "",
    ),
    "held-out": (
        "result.json",
        lambda text: text.replace('"heldout_reward": ', '"heldout_reward": 1'),
        "result.json is damaged: it or run.yaml was changed since it was written; delete it, and --resume rebuilds it",
        "-",
    ),
    "mean": (
        "result.json",
        lambda text: text.replace('"mean_reward": ', '"mean_reward": 1'),
        "result.json is damaged",
        "result.json says mean_reward 1",
    ),
    "last trial": (
        "warmup.jsonl",
        lambda text: text.splitlines(keepends=True)[0],
        "warmup.jsonl: lines were lost or added since the run ended",
        "-",
    ),
}


@pytest.mark.parametrize("case", FIGURES)
def test_a_changed_figure_of_a_finished_run_is_left_out_and_named(case: str) -> None:
    name, damage, expected, without_checksums = FIGURES[case]
    launch(config(), None, {}, Listener())
    for said in (expected, without_checksums or expected):
        shutil.copytree("logs", "copy")
        path = RUN / name
        path.write_text(damage(path.read_text()))
        if said != "-":
            frames = load_runs("logs", calls=False)
            assert len(frames.runs) == 0
            assert said in frames.problems[0]
            with pytest.raises(InputError, match="no usable run"):
                load_log_directory("logs")
        shutil.rmtree("logs")
        shutil.move("copy", "logs")
        unseal(RUN)


def test_returns_that_contradict_the_reward_are_named_in_older_logs() -> None:
    launch(config(), None, {}, Listener())
    unseal(RUN)
    path = RUN / "iterations.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    accepted = records[1]["candidates"][records[1]["accepted"]]
    accepted["returns"][0] += 100
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    (line,) = load_runs("logs", calls=False).problems
    assert "iterations.jsonl, line 2: reward is " in line
    assert ", but the mean of the accepted returns is " in line


def test_lost_calls_of_a_finished_run_are_named_by_load_runs() -> None:
    launch(config(), None, {}, Listener())
    change("llm_calls.jsonl", lambda lines: lines[:-2])
    frames = load_runs("logs")
    assert (len(frames.runs), len(frames.calls)) == (1, 0)
    assert frames.problems[0].endswith("llm_calls.jsonl: lines are lost that were there when iteration 3 was logged")


def test_prompts_are_given_only_if_asked_for() -> None:
    launch(config(), None, {}, Listener())
    assert list(load_runs("logs").calls["prompt"]) == [None] * 6
    assert load_runs("logs", prompts=True).calls["prompt"].str.len().min() > 100


@pytest.mark.parametrize("name", ["run.yaml", "iterations.jsonl", "llm_calls.jsonl", "result.json", "x.jsonl"])
@pytest.mark.parametrize("kind", ["folder", "link", "list"])
def test_one_odd_run_does_not_keep_others_from_being_read(name: str, kind: str) -> None:
    for seed in (1, 2):
        launch(config().model_copy(update={"seed": seed}), None, {}, Listener())
    path = Path("logs/run_2") / name
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(path.name)
    else:
        path.write_text("[1]\n")
    frames = load_runs("logs")
    assert "run_1" in set(frames.runs["run"])
    assert bool(frames.problems) == (name != "x.jsonl")
    assert read_progress(1, path.parent, 3).state in ("complete", "damaged")
    ended_at(path.parent)


def test_a_folder_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    launch(config(), None, {}, Listener())
    shutil.copytree("logs", "more/logs")
    shutil.copytree("logs", "more/other")
    iterdir = Path.iterdir

    def refuse(path: Path) -> Any:
        if path.name == "other":
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    frames = load_runs("more")
    assert len(frames.runs) == 1
    assert "cannot read 'more/other': Permission denied" in frames.problems[0]


@pytest.mark.parametrize("ended", ["", "yesterday", "2025-01-01T00:00:00", "2025-01-01T00:00:00+90:00"])
def test_a_time_that_is_none_does_not_end_status(ended: str) -> None:
    half()
    unseal(RUN)
    records = [json.loads(line) for line in (RUN / "iterations.jsonl").read_text().splitlines()]
    records[0]["times"]["ended"] = ended
    (RUN / "iterations.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert all(time.tzinfo is not None for time, _ in ended_at(RUN))
    assert len(RunDirectory(RUN).read_iterations()) == 2


def test_the_status_blames_the_description_where_that_is_damaged() -> None:
    launch(config(), None, {}, Listener())
    shutil.copytree("logs", "copy")
    change("run.yaml", lambda lines: [line.replace("seed: 1\n", "seed: 2\n") for line in lines])
    told = read_progress(0, RUN, 3).now
    assert told == f"{RUN}/run.yaml is damaged: it was changed since it was written, as its checksum does not fit"
    shutil.rmtree("logs")
    shutil.copytree("copy", "logs")
    (RUN / "run.yaml").unlink()
    (RUN / "run.yaml").mkdir()
    assert read_progress(0, RUN, 3).now == f"cannot read {RUN}/run.yaml: Is a directory"


def test_a_half_run_with_a_damaged_warm_up_is_left_out_and_one_that_lost_its_end_is_noted() -> None:
    half()
    shutil.copytree("logs", "copy")
    change("warmup.jsonl", lambda lines: [lines[0].replace('"reward":', '"reward":9', 1), *lines[1:]])
    runs, _, _, problems = load_runs("logs", calls=False)
    assert runs.empty
    problem, tally = problems
    assert tally == "logs: 0 of 1 run used; left out: 1 damaged"
    assert problem.startswith("logs: run_1: damaged log: warmup.jsonl, line 1: its checksum does not fit")
    shutil.rmtree("logs")
    shutil.copytree("copy", "logs")
    change("warmup.jsonl", lambda lines: lines[:1])
    runs = load_runs("logs", calls=False).runs
    assert "warmup.jsonl has lost its last trials; a resumed run makes them again" in runs["notes"][0]
