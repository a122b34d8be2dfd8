"""A damaged log is not resumed: nothing is asked, nothing is written, and one line says what is wrong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from r2po import load_runs
from r2po.errors import InputError
from r2po.experiment.launch import launch
from tests.experiment.test_mutated_logs import IN_ITERATION_3, Listener, Stop, config, resumed
from tests.unsealed import unseal

RUN = Path("logs/run_1")
Lines = list[str]
NO_CHECKSUMS = "it has no checksums, which an older version did not write"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: None)


def half() -> None:
    """Interrupt a run in its third iteration."""
    with pytest.raises(Stop):
        launch(config(), None, {}, Listener(IN_ITERATION_3))


def change(name: str, function: Callable[[Lines], Lines]) -> None:
    path = RUN / name
    path.write_text("".join(function(path.read_text().splitlines(keepends=True))))


def setting(number: int, key: str, value: Any) -> Callable[[Lines], Lines]:
    """Return what sets a field of a line, counted from 0; its checksum stays."""

    def changed(lines: Lines) -> Lines:
        record = {**json.loads(lines[number]), key: value}
        return [*lines[:number], json.dumps(record, separators=(",", ":")) + "\n", *lines[number + 1 :]]

    return changed


def files() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()}


def refusal() -> str:
    """Resume, which is refused; returns what is said."""
    before = files()
    with pytest.raises(InputError) as caught:
        launch(config(), 1, {}, Listener())
    assert files() == before
    return str(caught.value).replace(f"{RUN}/", "")


CASES: dict[str, tuple[str, Callable[[Lines], Lines], str, str]] = {
    # name: file, change, what is said, what is said of logs without checksums
    "iteration lost": (
        "iterations.jsonl",
        lambda lines: lines[1:],
        "iterations.jsonl, line 1: iteration is 2; expected 1",
        "",
    ),
    "iteration doubled": (
        "iterations.jsonl",
        lambda lines: [*lines, lines[-1]],
        "iterations.jsonl, line 3: iteration is 2; expected 3",
        "",
    ),
    "iterations swapped": (
        "iterations.jsonl",
        lambda lines: lines[::-1],
        "iterations.jsonl, line 1: iteration is 2; expected 1",
        "",
    ),
    "trial lost": ("warmup.jsonl", lambda lines: lines[1:], "warmup.jsonl, line 1: trial is 2; expected 1", ""),
    "trials swapped": ("warmup.jsonl", lambda lines: lines[::-1], "warmup.jsonl, line 1: trial is 2; expected 1", ""),
    "digit of a trial": (
        "warmup.jsonl",
        lambda lines: [lines[0].replace('"params":[', '"params":[0.125,', 1).replace(",-1.8", "", 1), lines[1]],
        "warmup.jsonl, line 1: its checksum does not fit",
        "-",
    ),
    "reward": (
        "iterations.jsonl",
        setting(1, "reward", 999.0),
        "iterations.jsonl, line 2: best_reward is ",
        "",
    ),
    "steps": (
        "iterations.jsonl",
        setting(1, "steps", 1),
        "iterations.jsonl, line 2: its checksum does not fit",
        "iterations.jsonl, line 2: steps is 1, but its rollouts and those before are ",
    ),
    "seed": (
        "run.yaml",
        lambda lines: [line.replace("seed: 1\n", "seed: 2\n") for line in lines],
        "run.yaml is damaged: it was changed since it was written",
        "-",
    ),
    "reply lost": (
        "llm_calls.jsonl",
        lambda lines: [line for line in lines if not line.startswith('{"event":"reply","call":2,')],
        "llm_calls.jsonl, line 4: ",
        "llm_calls.jsonl: the reply that the ",
    ),
    "replies lost": (
        "llm_calls.jsonl",
        lambda lines: lines[:2],
        "llm_calls.jsonl: lines are lost that were there when iteration 1 was logged",
        "llm_calls.jsonl: the reply that the ",
    ),
    "call doubled": (
        "llm_calls.jsonl",
        lambda lines: [lines[0], *lines],
        "llm_calls.jsonl, line 2: ",
        "llm_calls.jsonl, line 2: call is 1; expected 2",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_half_run_with_a_damaged_file_is_not_resumed(case: str) -> None:
    name, damage, expected, without_checksums = CASES[case]
    half()
    shutil.copytree("logs", "copy")
    change(name, damage)
    assert expected in refusal()
    if without_checksums == "-":  # what nothing contradicts cannot be seen
        return
    shutil.rmtree("logs")
    shutil.copytree("copy", "logs")
    unseal(RUN)
    change(name, damage)
    assert (without_checksums or expected) in refusal()


def test_without_its_description_a_run_is_not_begun_again() -> None:
    half()
    (RUN / "run.yaml").unlink()
    assert refusal() == "cannot resume logs/run_1: it has logs, but no run.yaml that says what was run"


def test_an_older_run_is_resumed_with_a_note_and_covered_from_then_on() -> None:
    half()
    shutil.copytree("logs", "copy")
    expected, notes = resumed()
    assert not any(NO_CHECKSUMS in note for note in notes)
    shutil.rmtree("logs")
    shutil.copytree("copy", "logs")
    unseal(RUN)
    listener = Listener(1)
    with pytest.raises(Stop):
        launch(config(), 1, {}, listener)
    found, notes = resumed()
    assert len([note for note in notes if note.startswith(f"{RUN}: {NO_CHECKSUMS}")]) == 1
    assert found == expected | {"result.json": {**found["result.json"]}}
    assert found["result.json"]["best_params"] == expected["result.json"]["best_params"]
    (RUN / "result.json").unlink()
    change("iterations.jsonl", lambda lines: [lines[0].replace('"ended":"2', '"ended":"1'), *lines[1:]])
    said = refusal()
    assert "iterations.jsonl, line 3: its checksum does not fit" in said
    assert said.rstrip().endswith("; put back a copy of the file from before that, or start a new run")


def test_zeros_that_a_power_cut_left_at_the_end_are_a_torn_line() -> None:
    half()
    shutil.copytree("logs", "copy")
    expected, _ = resumed()
    shutil.rmtree("logs")
    shutil.copytree("copy", "logs")
    for name in ("iterations.jsonl", "llm_calls.jsonl"):
        with (RUN / name).open("ab") as file:
            file.write(b"\0" * 512)
    assert "the last line of iterations.jsonl is torn and not counted" in load_runs("logs").problems[0]
    assert resumed()[0] == expected


@pytest.mark.parametrize("sealed", [True, False])
def test_the_last_trials_are_made_again_if_they_are_lost(sealed: bool) -> None:
    half()
    if not sealed:
        unseal(RUN)
    shutil.copytree("logs", "copy")
    expected, _ = resumed()
    shutil.rmtree("logs")
    shutil.copytree("copy", "logs")
    change("warmup.jsonl", lambda lines: lines[:1])
    found, notes = resumed()
    assert f"{RUN}/warmup.jsonl has 1 of 2 trials; a resumed run makes the others again" in notes
    assert found == expected


def test_changed_trajectories_are_named_and_no_obstacle() -> None:
    half()
    (RUN / "trajectories/iteration_0001.npz").write_bytes(b"PK")
    (RUN / "trajectories/iteration_0002.npz").unlink()
    _, notes = resumed()
    path = RUN / "trajectories/iteration_000"
    assert [note for note in notes if ".npz" in note] == [
        f"{path}1.npz was changed since it was written",
        f"{path}2.npz is lost",
    ]


def test_a_file_in_place_of_the_folder_of_trajectories_is_named_before_anything_is_asked() -> None:
    half()
    shutil.rmtree(RUN / "trajectories")
    (RUN / "trajectories").write_text("")
    assert refusal() == "trajectories is not a folder: delete it, or put the folder back"
