"""What is under a folder; nothing leads out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from r2po.errors import InputError
from r2po.view.finding import DEEPEST, find_below, open_logs, refused_below, regular_files


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).mkdir(parents=True)


def test_runs_and_sweeps_at_any_depth(tmp_path: Path) -> None:
    make(
        tmp_path,
        "a/run_1",
        "a/run_10",
        "b/c/run_1",
        "run_3",
        "a/run_x",
        "a/xrun_1",
        ".hidden/run_1",
        "a/run_1/deep/run_2",
    )
    (tmp_path / "b/sweep.json").write_text("{}")
    found = find_below(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in found.runs] == ["a/run_1", "a/run_10", "b/c/run_1", "run_3"]
    assert found.sweeps == [tmp_path / "b"]


def test_folders_are_not_looked_at_without_end(tmp_path: Path) -> None:
    deep = "/".join("abcdefghijkl"[: DEEPEST + 1])
    make(tmp_path, f"{deep[: 2 * DEEPEST - 1]}/run_1", f"{deep}/run_2")
    assert [path.name for path in find_below(tmp_path).runs] == ["run_1"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "outside/exp/run_1", "logs/exp", "logs/real/run_1")
    (tmp_path / "logs/linked").symlink_to(tmp_path / "outside/exp")
    (tmp_path / "logs/exp/run_1").symlink_to(tmp_path / "outside/exp/run_1")
    (tmp_path / "logs/round").symlink_to(tmp_path / "logs")
    assert find_below(tmp_path / "logs").runs == [tmp_path / "logs/real/run_1"]


def test_files_that_are_links_or_no_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    make(tmp_path, "run_1/trajectories", "run_1/iterations.jsonl")
    (tmp_path / "run_1/run.yaml").symlink_to(tmp_path / "secret")
    (tmp_path / "run_1/trajectories/x.npz").symlink_to(tmp_path / "secret")
    (tmp_path / "run_1/warmup.jsonl").write_text("")
    os.mkfifo(tmp_path / "run_1/result.json")
    files, refused = regular_files(tmp_path / "run_1")
    here = ["result.json: not a regular file, so it is not opened", "run.yaml: links are not followed"]
    assert (list(files), refused) == (["warmup.jsonl"], here)
    assert refused_below(tmp_path / "run_1") == [*here, "x.npz: links are not followed"]


def test_a_file_that_vanishes_while_a_folder_is_listed_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "run_1")
    for name in ("result.json", "result.json.1234.tmp"):
        (tmp_path / "run_1" / name).write_text("")
    listed = os.scandir

    @contextmanager
    def vanishing(folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        with listed(folder) as listing:
            entries = list(listing)
        (tmp_path / "run_1/result.json.1234.tmp").unlink()
        yield iter(entries)

    monkeypatch.setattr(os, "scandir", vanishing)
    files, refused = regular_files(tmp_path / "run_1")
    assert (list(files), refused) == (["result.json"], [])


def test_a_folder_of_logs_is_wanted(tmp_path: Path) -> None:
    make(tmp_path, "logs/exp/run_1")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "logs")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert open_logs(str(tmp_path / "link")) == (tmp_path / "logs").resolve()
    for name, words in {
        "nothing": "no folder",
        "file": "is a file; expected a folder of logs",
        "logs/exp/run_1": "is a single run; expected a folder of logs",
        "self": "cannot read",
    }.items():
        with pytest.raises(InputError, match=words):
            open_logs(str(tmp_path / name))


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    make(tmp_path, "a/run_1", "b/run_1")
    (tmp_path / "a").chmod(0)
    try:
        if os.access(tmp_path / "a", os.R_OK):
            pytest.skip("this user may read everything")
        found = find_below(tmp_path)
    finally:
        (tmp_path / "a").chmod(0o755)
    assert [path.parent.name for path in found.runs] == ["b"]
    assert found.problems == ["cannot read a: Permission denied"]
