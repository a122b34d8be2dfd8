"""Accepted candidates are rolled out on fresh episodes at the end of a run, which no other part of it depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2po.analysis.logs.load import load_log_directory
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.experiment.reevaluation import Accepted, accepted_of, reevaluate
from r2po.experiment.setting import Setting
from r2po.runlog import RunDirectory
from r2po.runlog.jsonl import DamagedLog
from r2po.runlog.reevaluation import read_reevaluation
from r2po.seeding import derive_seed
from tests.builders import make_config, numbers

SMALL: dict[str, Any] = {
    "num_iterations": 3,
    "num_evaluation_episodes": 4,
    "heldout_episodes": 2,
    "warmup_episodes": 2,
    "reevaluation_episodes": 5,
}


class Listener(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.told: list[tuple[int, int]] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def reevaluating(self, done: int, total: int) -> None:
        self.told.append((done, total))


def run(logdir: Path, method: str = "r2po", resume: int | None = None, **changes: Any) -> tuple[Path, Listener]:
    listener = Listener()
    config = make_config("cartpole", method, **{**SMALL, "logdir": str(logdir), "seed": 1, **changes})
    launch(config, resume, {}, listener)
    return logdir / "run_1", listener


def test_each_accepted_candidate_is_rolled_out_on_seeds_of_its_own(tmp_path: Path) -> None:
    path, listener = run(tmp_path)
    directory = RunDirectory(path)
    setting = Setting(make_config("cartpole", **SMALL), 1)
    found = read_reevaluation(directory.reevaluation)
    used = set(setting.heldout_seeds)
    for record in directory.read_iterations():
        assert record["accepted"] is not None
        iteration, candidate = record["iteration"], record["candidates"][record["accepted"]]
        seeds = [derive_seed(1, "reevaluation", iteration, k) for k in range(5)]
        expected = setting.evaluate(setting.policy.load(candidate), seeds).returns
        np.testing.assert_array_equal(found[iteration].returns, expected)
        used |= {seed for number in (0, 1) for seed in setting.seeds(iteration, number)}
        assert not used & set(seeds)
        used |= set(seeds)
    assert list(found) == [1, 2, 3]
    assert listener.told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    (data,) = load_log_directory(tmp_path).runs
    np.testing.assert_array_equal(data.reevaluated, [np.mean(each.returns) for each in found.values()])


def test_the_same_config_and_seed_give_the_same_episodes_and_other_caps_and_clips_count(tmp_path: Path) -> None:
    one, two = (read_reevaluation(run(tmp_path / name)[0] / "reevaluation.jsonl") for name in ("a", "b"))
    assert {number: vars(each) for number, each in one.items()} == {number: vars(each) for number, each in two.items()}
    capped, _ = run(tmp_path / "c", max_traj_length=7)
    returns = [value for each in read_reevaluation(capped / "reevaluation.jsonl").values() for value in each.returns]
    assert max(returns) <= 7


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("props", {}),
        ("always_critic", {}),
        ("critic_only", {}),
        ("random_search", {}),
        ("r2po", {"reevaluation_episodes": 0}),
    ],
)
def test_where_nothing_was_chosen_or_it_is_off_there_is_no_file(
    tmp_path: Path, method: str, changes: dict[str, Any]
) -> None:
    path, listener = run(tmp_path, method, **changes)
    assert not (path / "reevaluation.jsonl").exists()
    assert listener.told == []
    assert (path / "result.json").exists()


def test_a_resumed_run_rolls_out_only_what_is_missing(tmp_path: Path) -> None:
    path, _ = run(tmp_path)
    file = path / "reevaluation.jsonl"
    whole = file.read_bytes()
    (path / "result.json").unlink()
    first = whole.index(b"\n") + 1
    file.write_bytes(whole[: first + 20])  # a kill in the middle of the second line
    _, listener = run(tmp_path, resume=1)
    assert file.read_bytes() == whole
    assert listener.told[0] == (1, 3)


def test_it_may_be_switched_off_or_made_longer_on_resume(tmp_path: Path) -> None:
    path, _ = run(tmp_path, reevaluation_episodes=0)
    (path / "result.json").unlink()
    run(tmp_path, resume=1, reevaluation_episodes=2)
    (path / "result.json").unlink()
    run(tmp_path, resume=1, reevaluation_episodes=5)
    longer = read_reevaluation(path / "reevaluation.jsonl")
    at_once = read_reevaluation(run(tmp_path / "b")[0] / "reevaluation.jsonl")
    assert {number: vars(each) for number, each in longer.items()} == {
        number: vars(each) for number, each in at_once.items()
    }


def test_a_damaged_file_does_not_stop_a_run(tmp_path: Path) -> None:
    path, _ = run(tmp_path)
    (path / "result.json").unlink()
    (path / "reevaluation.jsonl").write_text("{}\n")
    _, listener = run(tmp_path, resume=1)
    assert (path / "result.json").exists()
    assert [note for note in listener.notes if "delete it, and r2po reevaluate makes it again" in note]
    (data,) = load_log_directory(tmp_path).runs
    assert data.reevaluated is None
    assert "reevaluation.jsonl" in data.notes[0]


def test_episodes_of_another_policy_are_refused(tmp_path: Path) -> None:
    path, _ = run(tmp_path)
    directory = RunDirectory(path)
    setting = Setting(make_config("cartpole", **SMALL), 1)
    accepted = accepted_of(setting, directory.read_iterations())
    other = [Accepted(1, tuple(0.5 for _ in numbers(accepted[0].solution))), *accepted[1:]]
    with pytest.raises(DamagedLog, match="iteration 1 is about another policy"):
        reevaluate(setting, directory.reevaluation, other, 5)
