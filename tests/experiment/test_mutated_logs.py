"""Whatever happens to the files of a run, nothing ends in a traceback, and no number changes without a word."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from r2po import load_runs
from r2po.config import Config, resolve
from r2po.errors import R2POError
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.llm.providers.replay import Replay
from r2po.sweep.from_logs import ended_at, read_progress
from r2po.trial import Candidate
from tests.experiment.mutations import mutate, restore
from tests.process.processes import logged
from tests.unsealed import unseal

FEW, MANY = 60, 500
VALUES: dict[str, Any] = {
    "gym_env_name": "CartPole-v1",
    "method": "r2po",
    "llm_model_name": "embedded/search",
    "num_iterations": 3,
    "num_evaluation_episodes": 2,
    "warmup_episodes": 2,
    "heldout_episodes": 2,
    "max_traj_length": 40,
    "keep_trajectories": "all",
    "rollout_engine": "reference",
}
RUN = Path("logs/run_1")
IN_ITERATION_3 = 5
"""Candidates before the process is interrupted: two in each iteration."""


class Stop(BaseException):
    """Ends a process in the middle of an iteration."""


class Listener(Observer):
    """Hears notes, and may stop the run."""

    def __init__(self, candidates: int = 1000) -> None:
        self.notes: list[str] = []
        self._left = candidates

    def note(self, text: str) -> None:
        self.notes.append(text)

    def evaluated(self, candidate: Candidate) -> None:
        self._left -= 1
        if not self._left:
            raise Stop


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory in which nobody waits for the disk."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: None)


Told = tuple[Any, list[str]]
"""What a reader says, and what it finds wrong."""


def config() -> Config:
    return resolve({**VALUES, "logdir": "logs"}, "test")


def told(read: Callable[[], Told]) -> Told:
    """Return what a reader says; an error of one line is a way of finding something wrong."""
    try:
        return read()
    except R2POError as error:
        return None, [str(error)]


def check(readers: Mapping[str, Callable[[], Told]], seeds: range, *, sealed: bool) -> None:
    """Damage the run once for each seed: each reader says what it did before, or finds something else wrong."""
    if not sealed:
        unseal(RUN)
    restore(Path("before"), RUN)
    expected = {name: told(read) for name, read in readers.items()}
    for seed in seeds:
        restore(RUN, Path("before"))
        what = f"seed {seed}: {mutate(RUN, random.Random(seed))}"
        for name, read in readers.items():
            try:
                said, wrong = told(read)
            except Exception as error:
                raise AssertionError(f"{name}, {what}") from error
            assert not any("\n" in line for line in wrong), what
            if sealed and wrong == expected[name][1]:
                assert said == expected[name][0], f"{name}, {what}"


def resumed() -> Told:
    """Resume the run; returns what it wrote, its calls and its description apart."""
    listener = Listener()
    launch(config(), 1, {}, listener)
    wrote = logged(RUN)
    return {name: log for name, log in wrote.items() if name not in ("llm_calls.jsonl", "run.yaml")}, listener.notes


def check_half_run(seeds: range, *, sealed: bool) -> None:
    with pytest.raises(Stop):
        launch(config(), None, {}, Listener(IN_ITERATION_3))
    check({"resume": resumed}, seeds, sealed=sealed)


def framed() -> Told:
    frames = load_runs("logs", prompts=True)
    return [table.to_json() for table in frames[:3]], [*frames.problems, *_notes(frames.runs)]


def _notes(runs: Any) -> list[str]:
    unfinished = [f"{run} is unfinished" for run in runs["run"][~runs["complete"].astype(bool)]]
    return [*unfinished, *(note for notes in runs["notes"] for note in notes)]


def progressed() -> Told:
    ended_at(RUN)
    progress = read_progress(0, RUN, 3)
    return progress, [progress.now] if progress.state != "complete" else []


def replayed() -> Told:
    return Replay(str(RUN))._recorded, []


def shown() -> Told:
    listener = Listener()
    result = launch(config(), 1, {}, listener)
    return {key: value for key, value in result.items() if key not in ("times", "sums")}, listener.notes


def check_finished_run(seeds: range, *, sealed: bool) -> None:
    launch(config(), None, {}, Listener())
    # The last one resumes a run that has lost its result.
    check({"load_runs": framed, "status": progressed, "replay": replayed, "run": shown}, seeds, sealed=sealed)


def test_a_half_run_is_resumed_as_it_was_or_not_without_a_word() -> None:
    check_half_run(range(FEW), sealed=True)


@pytest.mark.slow
def test_no_number_of_a_finished_run_changes_without_a_word() -> None:
    check_finished_run(range(FEW), sealed=True)


@pytest.mark.slow
@pytest.mark.parametrize("sealed", [True, False])
def test_many_half_runs(sealed: bool) -> None:
    check_half_run(range(FEW, MANY), sealed=sealed)


@pytest.mark.slow
@pytest.mark.parametrize("sealed", [True, False])
def test_many_finished_runs(sealed: bool) -> None:
    check_finished_run(range(FEW, MANY), sealed=sealed)
