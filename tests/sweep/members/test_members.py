"""Processes that work on a sweep see each other: who is there, who is gone, who holds which run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path

import pytest

from r2po.llm.ledger import Amount
from r2po.sweep.members.member import Pace, read_member
from r2po.sweep.members.members import STALE_S, Members
from r2po.sweep.members.onlookers import held_in, seen_from_outside


def member(sweep: Path) -> Members:
    made = Members(sweep, worker=True, counted=True)
    made.join()
    return made


def file_of(sweep: Path, one: Members) -> Path:
    return sweep / "workers" / f"{one.me.id}.json"


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@cache
def dead_process() -> int:
    """Return a number that no process has any longer."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_file_says_the_same_after_it_was_read(tmp_path: Path) -> None:
    one = member(tmp_path)
    one.me.used = {"a/run_1": Amount(3, None, 0.25)}
    one.me.aside = {"a/run_1": Amount(1, 20, 0.5)}
    one.me.failed = {"b/run_1": "half a pair: \ud800"}
    one.me.paces = {"server": Pace(2.5, 1.0), "other": Pace()}
    one.me.held = {"a/run_1"}
    one.write()
    assert read_member(file_of(tmp_path, one).read_bytes()) == one.me


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1, "held": 3}'])
def test_files_of_others_are_no_members(content: str, tmp_path: Path) -> None:
    one = member(tmp_path)
    (tmp_path / "workers/note.json").write_text(content)
    assert one.others() == []
    assert [each.id for each, _, _ in seen_from_outside(tmp_path)] == [one.me.id]


def test_the_first_removes_what_earlier_ones_left_and_the_last_leaves_nothing(tmp_path: Path) -> None:
    killed = member(tmp_path)
    rewrite(file_of(tmp_path, killed), pid=dead_process())
    first, second = Members(tmp_path, worker=True, counted=True), Members(tmp_path, worker=True, counted=True)
    assert (first.join(), second.join()) == (True, False)
    first.leave()
    assert [(each.id, each.over) for each in second.others()] == [(first.me.id, True)]  # its amounts can be read
    second.leave()
    assert not list(tmp_path.glob("workers/*.json"))


def test_who_is_gone(tmp_path: Path) -> None:
    one, other = member(tmp_path), member(tmp_path)
    path = file_of(tmp_path, other)
    assert [each.id for each in one.live()] == [other.me.id]
    rewrite(path, pid=dead_process())
    assert one.live() == []
    rewrite(path, machine="another")  # whose numbers of processes mean nothing here
    assert len(one.live()) == 1
    old = time.time() - STALE_S - 10
    os.utime(path, (old, old))
    fresh = member(tmp_path)
    assert {each.id for each in fresh.live()} == {one.me.id}
    assert [gone for each, _, gone in seen_from_outside(tmp_path) if each.id == other.me.id] == [True]


def test_a_file_that_changes_is_somebodys_whatever_its_time_says(tmp_path: Path) -> None:
    one, other = member(tmp_path), member(tmp_path)
    path = file_of(tmp_path, other)
    old = time.time() - 10 * STALE_S
    for beat in (7, 8):
        rewrite(path, machine="another", beat=beat)
        os.utime(path, (old + beat, old + beat))
        seen = one.live()
    assert len(seen) == 1


def test_of_two_that_claim_the_same_run_at_once_at_most_one_gets_it(tmp_path: Path) -> None:
    crowd = [member(tmp_path) for _ in range(3)]
    got: list[list[str]] = [[] for _ in crowd]
    together = threading.Barrier(len(crowd))

    def claim(number: int) -> None:
        for run in map(str, range(40)):
            together.wait()
            if crowd[number].claim(run):  # without the lock that makes all this easy
                got[number].append(run)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(len(crowd))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [run for runs in got for run in runs]
    assert len(taken) == len(set(taken))
    assert held_in(tmp_path) == set(taken)


def test_one_has_its_turn_after_the_other(tmp_path: Path) -> None:
    crowd = [member(tmp_path) for _ in range(2)]
    inside: list[int] = []
    most: list[int] = []

    def take_turns(number: int) -> None:
        for _ in range(20):
            with crowd[number].locked(), crowd[number].locked():
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()

    threads = [threading.Thread(target=take_turns, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
