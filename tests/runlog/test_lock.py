"""A lock says whether it keeps anybody out."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from r2po.runlog.lock import Lock


def test_a_lock_keeps_others_out_until_it_is_closed(tmp_path: Path) -> None:
    first = Lock(tmp_path / ".lock")
    assert first.holds
    with pytest.raises(BlockingIOError):
        Lock(tmp_path / ".lock")
    first.close()
    second = Lock(tmp_path / ".lock")
    assert second.holds
    second.close()


def test_a_file_system_that_only_pretends_to_lock_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    first, second = Lock(tmp_path / ".lock"), Lock(tmp_path / ".lock")
    assert (first.holds, second.holds) == (False, False)
    first.close()
    second.close()
