"""Which runs a process holds is seen without taking a lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from r2po.runlog.lock import Lock
from r2po.view import held
from r2po.view.held import held_here, is_held, read_locks

HOLDER = """
import sys
from pathlib import Path
from r2po.runlog.lock import Lock
lock = Lock(Path(sys.argv[1]))
print(flush=True)
input()
"""
TEXT = """\
1: FLOCK  ADVISORY  WRITE 12749 fe:01:2252992 0 EOF
1: -> FLOCK  ADVISORY  WRITE 12750 fe:01:77 0 EOF
2: POSIX  ADVISORY  READ 377 00:1a:42 1073741826 1073742335
3: OFDLCK ADVISORY  WRITE -1 08:11:9 0 0
4: LEASE  ACTIVE    READ 1 08:11:10 0 EOF
"""


def test_the_list_of_locks_as_linux_writes_it() -> None:
    assert read_locks(TEXT) == {(0xFE, 1, 2252992), (0, 0x1A, 42), (8, 0x11, 9)}
    assert read_locks("nonsense\n") == frozenset()


def test_a_lock_of_another_process_is_seen_as_long_as_it_lives(tmp_path: Path) -> None:
    if not held.LOCKS.exists():
        pytest.skip("this system does not list its locks")
    path = tmp_path / ".lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert is_held(path.stat(), held_here())
        process.kill()
    assert not is_held(path.stat(), held_here())
    Lock(path).close()  # and it is free


def test_where_the_system_does_not_say_none_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "LOCKS", tmp_path / "nothing")
    assert held_here() == frozenset()
    assert not is_held(None, held_here())
