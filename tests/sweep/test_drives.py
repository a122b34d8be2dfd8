"""What processes do that share a sweep if its drive fails for a moment, locks do not work, or somebody stands still."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest

from r2po.errors import InputError
from r2po.llm.ledger import Caps
from r2po.runlog.lock import Lock
from r2po.sweep.endings import SweepStopped
from r2po.sweep.members.members import FAILING_S, LOCK_WAIT_S, LONG_OVER_S, STALE_S
from r2po.sweep.members.sharing import NOTICE_S
from tests.sweep.members.test_accounts import CALL, process
from tests.sweep.members.test_members import dead_process, file_of, member, rewrite


class Clock:
    """A time that passes only when it is told to, or when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.monotonic()
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        monkeypatch.setattr("time.sleep", self.sleep)
        self.slept_s = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept_s += seconds


def failing(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Let files be replaced only while the list is empty."""
    is_failing: list[bool] = [True]
    replace = Path.replace

    def fail(path: Path, target: Any) -> Path:
        if is_failing:
            raise OSError(errno.EIO, "Input/output error")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail)
    return is_failing


def test_a_file_that_cannot_be_written_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = member(tmp_path), member(tmp_path)
    is_failing = failing(monkeypatch)
    assert not one.claim("a/run_1")  # nobody would know of it
    one.me.hungry = True
    assert not one.write()
    is_failing.clear()
    assert one.write()
    assert [each.hungry for each in other.others()] == [True]
    assert one.claim("a/run_1")


def test_after_a_minute_of_failures_a_process_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, clock = member(tmp_path), Clock(monkeypatch)
    failing(monkeypatch)
    assert not one.write()
    clock.now += FAILING_S - 1
    assert not one.write()
    clock.now += 1
    with pytest.raises(SweepStopped, match="workers could not be written to for 50 s: Input/output error"):
        one.write()
    one.leave()  # which is no fault any more


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    one = member(tmp_path)
    for path in (tmp_path / "workers").iterdir():
        path.unlink()
    (tmp_path / "workers").rmdir()
    with one.locked() as keeps_out:
        assert not keeps_out
    assert not one.write()
    assert one.write()
    assert file_of(tmp_path, one).exists()


def test_where_nothing_can_be_written_nobody_joins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch)
    with pytest.raises(InputError, match=r"cannot write to .*workers: Input/output error"):
        member(tmp_path)


def test_who_cannot_be_read_for_a_moment_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = member(tmp_path), member(tmp_path)
    assert one.claim("a/run_1")
    fails, real = [True], Path.open

    def stale(path: Path, *args: Any, **named: Any) -> Any:
        if path.stem == one.me.id and fails:
            fails.pop()
            raise OSError(errno.ESTALE, "Stale file handle")
        return real(path, *args, **named)

    monkeypatch.setattr(Path, "open", stale)
    assert not other.claim("a/run_1")  # it has never been read before
    fails += [True] * 100
    assert not other.claim("a/run_1")
    assert len(other.live()) == 1


def test_nobody_works_beside_a_newer_version(tmp_path: Path) -> None:
    one = member(tmp_path)
    path = file_of(tmp_path, one)
    rewrite(path, schema=2)
    with pytest.raises(InputError, match=r"\.json: it has schema 2; this version of r2po reads up to 1"):
        member(tmp_path)
    old = time.time() - STALE_S - 10
    os.utime(path, (old, old))  # it has gone since
    assert one.me.id not in {each.id for each in member(tmp_path).others()}


def test_who_stands_still_with_the_lock_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, clock = member(tmp_path), Clock(monkeypatch)
    held = Lock(tmp_path / "workers/.lock")
    for _ in range(3):
        with one.locked() as keeps_out:
            assert not keeps_out
    assert clock.slept_s == pytest.approx(LOCK_WAIT_S, abs=0.1)
    held.close()
    with one.locked() as keeps_out, one.locked() as again:
        assert (keeps_out, again) == (True, True)


def test_calls_are_granted_past_one_that_stands_still_and_a_cap_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (process(tmp_path, run, caps=Caps(max_llm_calls=3)) for run in (0, 1))
    Clock(monkeypatch)
    held = Lock(tmp_path / "workers/.lock")
    for each, run in ((one, 0), (other, 1)):
        for _ in range(3):
            each.ask(run)
        assert each.grants() == []  # who is granting calls now has not heard that this one will
        each.now += NOTICE_S
    assert len(one.grants()) + len(other.grants()) == 3
    held.close()
    assert (one.grants(), other.grants()) == ([], [])
    for each in (one, other):
        each.it.exchange(each.now + 10)
    assert [each.unlocked for each in (one.members.me, other.members.me)] == [False, False]


def test_where_locks_keep_nobody_out_two_that_grant_at_once_do_not_exceed_a_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: None)
    one, other = (process(tmp_path, run, caps=Caps(max_llm_calls=8)) for run in (0, 1))
    for _ in range(8):
        one.ask(0)
        other.ask(1)
    hear, granted = one.it._hear, list[str]()

    def hear_and_be_overtaken(now: float) -> Any:
        found = hear(now)
        granted.extend(other.grants())
        return found

    monkeypatch.setattr(one.it, "_hear", hear_and_be_overtaken)
    granted += one.grants()
    assert len(granted) <= 8
    monkeypatch.setattr(one.it, "_hear", hear)
    for _ in range(2):
        granted += [*one.grants(), *other.grants()]
    assert granted == [""] * 8


def test_files_of_those_that_have_ended_do_not_pile_up_and_what_they_used_stays(tmp_path: Path) -> None:
    looks = process(tmp_path, 5, caps=Caps(max_llm_calls=100))
    for _ in range(3):
        gone = process(tmp_path, 0, caps=Caps(max_llm_calls=100))
        gone.ask(0)
        gone.grants()
        gone.end()
        gone.accounts.tell(gone.members.me)
        gone.members.leave()
    killed = member(tmp_path)
    rewrite(file_of(tmp_path, killed), pid=dead_process())
    failed = member(tmp_path)
    failed.me.failed["a/run_3"] = "no money"
    failed.leave()
    assert {each.id for each in member(tmp_path).others()} == {looks.members.me.id, killed.me.id, failed.me.id}
    assert killed.me.used == {"a/run_1": CALL}
    looks.it.exchange(1000.0)
    assert looks.accounts.used == CALL
    old = time.time() - LONG_OVER_S - 10
    os.utime(file_of(tmp_path, killed), (old, old))
    assert killed.me.id not in {each.id for each in member(tmp_path).others()}


def test_what_was_being_written_by_killed_processes_is_removed(tmp_path: Path) -> None:
    (tmp_path / "workers").mkdir()
    temporary = [tmp_path / "workers/.host-1-ab.json.tmp", tmp_path / ".sweep.json.1-ab.tmp"]
    for path in temporary:
        path.touch()
    one = member(tmp_path)
    assert not any(path.exists() for path in temporary)
    for path in temporary:
        path.touch()
    member(tmp_path)  # somebody may be writing
    assert all(path.exists() for path in temporary)
    old = time.time() - STALE_S - 10
    for path in temporary:
        os.utime(path, (old, old))
    member(tmp_path)
    assert not any(path.exists() for path in temporary)
    one.leave()
