"""What is written into a run directory is in its second copy before whoever writes goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from r2po.runlog import RunDirectory, RunLockedError
from r2po.runlog.jsonl import Appender, iterate_lines, write_atomically
from r2po.runlog.mirror import mirror_of, mirrored


class Copy:
    """Keeps what is passed on, by file name, or refuses it."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self.synced: list[bool] = []
        self.starts: list[int] = []
        self.is_removed = False
        self.problem = problem

    def appended(self, path: Path, start: int, data: bytes, *, sync: bool) -> None:
        if self.problem:
            raise self.problem
        self.synced.append(sync)
        self.starts.append(start)
        self.files[path.name] = self.files.get(path.name, b"")[:start] + data

    def replaced(self, path: Path, data: bytes, *, sync: bool) -> None:
        self.synced.append(sync)
        self.files[path.name] = data

    def removed(self) -> None:
        self.is_removed = True


def test_each_write_is_passed_on_with_what_it_promises(tmp_path: Path) -> None:
    copy = Copy()
    with mirrored(tmp_path, copy):
        log = Appender(tmp_path / "log.jsonl")
        for number in range(3):
            log.append({"number": number}, sync=number != 1)
            assert copy.files["log.jsonl"] == (tmp_path / "log.jsonl").read_bytes()
        log.close()
        write_atomically(tmp_path / "result.json", b"{}", sync=False)
    assert copy.files["result.json"] == b"{}"
    assert copy.synced == [False, True, False, True, False]  # the first: the file is there


def test_a_torn_line_is_cut_off_there_too(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a":1}\n{"b')
    copy = Copy()
    copy.files["log.jsonl"] = path.read_bytes()
    with mirrored(tmp_path, copy):
        log = Appender(path)
        log.append({"c": 3})
        log.close()
    assert copy.files["log.jsonl"] == path.read_bytes()
    assert list(iterate_lines(path)) == [{"a": 1}, {"c": 3}]


def test_a_log_that_stays_empty_is_there_too(tmp_path: Path) -> None:
    copy = Copy()
    with mirrored(tmp_path, copy):
        Appender(tmp_path / "warmup.jsonl").close()
        assert copy.files == {"warmup.jsonl": b""}
        log = Appender(tmp_path / "warmup.jsonl")
        log.append({"number": 1})
        log.close()
        Appender(tmp_path / "warmup.jsonl").close()
    assert copy.files["warmup.jsonl"] == (tmp_path / "warmup.jsonl").read_bytes()
    assert copy.starts == [0, 0]  # only what is new is told


def test_where_a_new_log_cannot_be_made_there_none_is_opened(tmp_path: Path) -> None:
    with mirrored(tmp_path, Copy(OSError("the disk there is full"))), pytest.raises(OSError, match="there is full"):
        Appender(tmp_path / "log.jsonl")


@pytest.mark.parametrize("problem", [OSError("the disk there is full"), RunLockedError("another node has it")])
def test_after_a_write_that_did_not_get_there_nothing_more_is_written(tmp_path: Path, problem: Exception) -> None:
    copy = Copy()
    with mirrored(tmp_path, copy):
        log = Appender(tmp_path / "log.jsonl")
        copy.problem = problem
        with pytest.raises(type(problem), match=str(problem)):
            log.append({"number": 1})
        copy.problem = None
        with pytest.raises(OSError, match=r"an earlier write to .* failed"):
            log.append({"number": 2})
        log.close()
    assert copy.files == {"log.jsonl": b""}


def test_a_run_that_never_began_is_removed_there_too(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "logs", 1)
    copy = Copy()
    with mirrored(directory.path, copy):
        directory.remove()
    assert copy.is_removed


def test_other_folders_have_no_mirror(tmp_path: Path) -> None:
    copy = Copy()
    with mirrored(tmp_path / "run_1", copy):
        assert mirror_of(tmp_path / "run_1/trajectories/iteration_0001.npz") is copy
        assert mirror_of(tmp_path / "run_10/run.yaml") is None
        assert mirror_of(tmp_path) is None
    assert mirror_of(tmp_path / "run_1/run.yaml") is None
