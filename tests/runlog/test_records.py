"""What of a record is checked when it is read, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from r2po.analysis.logs.load import load_log_directory
from r2po.experiment.summary import summary
from r2po.runlog import RunDirectory
from r2po.runlog.jsonl import DamagedLog
from r2po.runlog.records import Candidates, checked
from tests.analysis.made_logs import iteration, write_lines, write_run

RUN_CHANGES: list[dict[str, Any]] = [
    {"created": "2025-01-01T00:00:00+00:00"},
    {"versions": None},
    {"versions": {"python": 3.1}},
    {"rollout_engine": None},
    {"code_revision": 7},
    {"schema": "2"},
]
CANDIDATE_CHANGES: list[dict[str, Any]] = [{key: None} for key in ("call", "shown", "raw_params", "reward")]
RESULT_CHANGES: list[dict[str, Any]] = [{"times": None}, {"tokens": []}, {"model": None}, {"seed": "1"}]


def read(run: Path) -> RunDirectory:
    """Read all files of a run, for a process that continues it and for analyses."""
    directory = RunDirectory(run)
    directory.read_description()
    directory.read_iterations()
    directory.read_warmup()
    directory.read_result()
    (data,) = load_log_directory(run.parent).runs
    assert not [each.problem for each in data.iterations if each.problem]
    return directory


def damage_of(run: Path, line: str) -> str:
    """Replace the first iteration; return what is said, after the name of the file."""
    (run / "iterations.jsonl").write_text(f"{line}\n")
    with pytest.raises(DamagedLog) as caught:
        RunDirectory(run).read_iterations()
    return str(caught.value).partition("line 1: ")[2]


@pytest.mark.parametrize("changes", RUN_CHANGES, ids=str)
def test_a_description_touched_by_hand_is_read(changes: dict[str, Any], tmp_path: Path) -> None:
    run = write_run(tmp_path, 1, [1.0], description=changes)
    path = run / "run.yaml"
    path.write_text(path.read_text().replace("created: '2025-01-01T00:00:00+00:00'", "created: 2025-01-01T00:00:00"))
    assert "created: '" not in path.read_text()
    read(run)


@pytest.mark.parametrize("changes", CANDIDATE_CHANGES, ids=str)
def test_a_candidate_touched_by_hand_is_read(changes: dict[str, Any], tmp_path: Path) -> None:
    run, record = write_run(tmp_path, 1, [1.0]), iteration(1, 1.0)
    record["candidates"][1] |= changes
    write_lines(run, [record])
    read(run)


@pytest.mark.parametrize("key", ["elapsed_s", "rollout_s"])
def test_unknown_times_and_best_rewards_are_read(key: str, tmp_path: Path) -> None:
    run, record = write_run(tmp_path, 1, [1.0]), {**iteration(1, 1.0), "best_reward": None}
    record["times"][key] = None
    write_lines(run, [record])
    read(run)


@pytest.mark.parametrize("changes", RESULT_CHANGES, ids=str)
def test_a_result_touched_by_hand_is_read_and_summed_up(changes: dict[str, Any], tmp_path: Path) -> None:
    run = write_run(tmp_path, 1, [1.0])
    path = run / "result.json"
    figures = dict.fromkeys(("best_reward", "mean_reward", "final_reward"), 1.0)
    counts = dict.fromkeys(("best_iteration", "llm_calls", "refused_replies", "failed_attempts"), 1)
    counts |= {"episodes": 14, "steps": 100}
    names = {"environment": "nim", "method": "props", "model": "m", "protocol": "published", "seed": 1}
    account = dict.fromkeys(("attempts", "failures", "replies", "refused", "cost"), 1)
    rest = {"stand_in": False, "cost": None, "tokens": {}, "accounting": {"search": account}, "times": {}}
    path.write_text(json.dumps({**json.loads(path.read_text()), **figures, **counts, **names, **rest, **changes}))
    directory = read(run)
    assert "1 iterations" in summary(directory, directory.read_result())[1]


def test_a_damaged_result_is_named_once(tmp_path: Path) -> None:
    run = write_run(tmp_path, 1, [1.0])
    (run / "result.json").write_text('{"iterations": 1}')
    with pytest.raises(DamagedLog) as caught:
        RunDirectory(run).read_result()
    said = f"{run / 'result.json'} is damaged: heldout_reward is missing; delete it, and --resume rebuilds it"
    assert str(caught.value) == said


@pytest.mark.parametrize("value", ["a", 1e300, True, None])
def test_a_bad_parameter_is_named_by_its_place(value: Any, tmp_path: Path) -> None:
    record = iteration(1, 1.0)
    record["candidates"][0]["params"] = [value]
    expected = f"candidates.0.params.0 is {value!r}; input should be a valid number of at most 1e+100 in size"
    with pytest.raises(DamagedLog) as caught:
        checked(Candidates, json.dumps(record).encode(), "it")
    assert str(caught.value) == f"it: {expected}"
    if value in ("a", None):  # a run itself reads what it may have written
        assert damage_of(write_run(tmp_path, 1, [1.0]), json.dumps(record)) == expected


def test_half_a_surrogate_pair_is_text(tmp_path: Path) -> None:
    run, record = write_run(tmp_path, 1, [1.0]), iteration(1, 1.0)
    record["candidates"][0]["source"] = "\ud800"
    write_lines(run, [record])
    assert read(run).read_iterations()[0]["candidates"][0]["source"] == "\ud800"
    record["reward"] = "\ud800"
    assert damage_of(run, json.dumps(record)).startswith(r"reward is '\ud800'; input should be a valid number")


@pytest.mark.parametrize("line", ["[1]", "{'a': 1}", "[" * 100_000, ""])
def test_what_is_no_object_is_no_record(line: str, tmp_path: Path) -> None:
    assert damage_of(write_run(tmp_path, 1, [1.0]), line) == "not a JSON object"
