"""What a node sends of a run is written as it comes, each byte once and in order, and by the latest loan only."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.runlog import RunDirectory, RunLockedError
from r2po.runlog.lock import Lock
from r2po.sweep.cluster import carrying, lending
from r2po.sweep.cluster.carrying import PIECE_BYTES, Piece, pieces
from r2po.sweep.cluster.lending import LentRun, end_of_lines


@pytest.fixture
def lent() -> Iterator[Callable[[Path], LentRun]]:
    """Return what lends a run directory, until the end of the test."""
    with ExitStack() as opened:
        yield lambda folder: opened.enter_context(closing(LentRun(RunDirectory(folder), is_new=False)))


Lend = Callable[[Path], LentRun]


numbers = itertools.count(1)


def piece(start: int, data: bytes, *, name: str = "log.jsonl", more: bool = False, anew: bool = False) -> Piece:
    return Piece(0, 1, name, next(numbers), start, data, more, anew, sync=True)


@given(st.binary(max_size=40), st.integers(1, 9))
def test_pieces_are_the_whole_in_order(data: bytes, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carrying, "PIECE_BYTES", size)
        found = list(pieces(data))
    assert b"".join(part for _, part, _ in found) == data
    assert [start for start, _, _ in found] == list(range(0, max(1, len(data)), size))
    assert [more for *_, more in found] == [True] * (len(found) - 1) + [False]


line = st.binary(max_size=6).map(lambda text: text.replace(b"\n", b".") + b"\n")


@given(
    st.lists(line, max_size=3),
    st.sampled_from([b"", b"{", b"{}}}}"]),
    st.lists(line, min_size=1, max_size=3),
    st.lists(st.integers(0, 7), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_cut_anywhere_what_is_there_is_a_prefix_and_continues_to_the_whole(
    before: list[bytes], torn: bytes, coming: list[bytes], cuts: list[int]
) -> None:
    """A node may be lost between any two pieces; the next one begins behind the last whole line."""
    whole = b"".join(before + coming)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lending, "PIECE_BYTES", 3)  # so that an end of a line is looked for in several steps
        patch.setattr(os, "fsync", lambda _: None)
        path = Path(folder, "log.jsonl")
        path.write_bytes(b"".join(before) + torn)
        for cut in cuts:
            with closing(LentRun(RunDirectory(Path(folder)), is_new=False)) as run:
                start = end_of_lines(path)
                sent = whole[start : min(whole.find(b"\n", start) + 1, start + cut)]
                run.write(piece(start, sent, more=True))
                for again in {0, start} - {start + len(sent)}:
                    with pytest.raises(OSError, match="what comes next begins at"):
                        run.write(piece(again, sent, more=True))
            assert whole.startswith(path.read_bytes())
        with closing(LentRun(RunDirectory(Path(folder)), is_new=False)) as run:
            start = end_of_lines(path)
            run.write(piece(start, whole[start : start + 2], more=True))
            run.write(piece(min(start + 2, len(whole)), whole[start + 2 :]))
        assert path.read_bytes() == whole


def test_a_new_file_takes_the_place_of_the_old_one_when_it_is_whole(tmp_path: Path, lent: Lend) -> None:
    (tmp_path / "result.json").write_bytes(b"old")
    run = lent(tmp_path)
    run.write(piece(0, b"ne", name="result.json", anew=True, more=True))
    assert (tmp_path / "result.json").read_bytes() == b"old"
    with pytest.raises(OSError, match=r"a part of .* is missing before byte 3"):
        run.write(piece(3, b"w", name="result.json", anew=True))
    run.write(piece(2, b"w", name="result.json", anew=True))
    assert (tmp_path / "result.json").read_bytes() == b"new"
    run.write(piece(0, b"arrays", name="trajectories/iteration_0001.npz", anew=True))
    assert (tmp_path / "trajectories/iteration_0001.npz").read_bytes() == b"arrays"
    with pytest.raises(OSError, match="is missing before byte 2"):
        run.write(piece(2, b"w", name="other.json", anew=True))


def test_a_new_file_that_is_begun_anew_has_nothing_of_the_old_one(tmp_path: Path, lent: Lend) -> None:
    run = lent(tmp_path)
    run.write(piece(0, b"a longer one", name="result.json", anew=True, more=True))
    run.write(piece(0, b"new", name="result.json", anew=True))
    run.close()
    assert (tmp_path / "result.json").read_bytes() == b"new"


def test_a_piece_that_comes_again_is_there_already(tmp_path: Path, lent: Lend) -> None:
    run = lent(tmp_path)
    first, second = piece(0, b"one\n"), piece(4, b"two\n")
    whole = replace(first, name="result.json", anew=True)
    newer = replace(second, name="result.json", anew=True, start=0)
    for each in (first, first, second, second, first, whole, newer, whole):
        run.write(each)
    assert (tmp_path / "log.jsonl").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "result.json").read_bytes() == b"two\n"


def test_it_is_synced_when_its_last_piece_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lent: Lend) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append((tmp_path / "log.jsonl").stat().st_size))
    run = lent(tmp_path)
    run.write(piece(0, b"abc", more=True))
    assert synced == []
    run.write(piece(3, b"d\n"))
    assert synced == [5]


def test_the_lock_is_held_until_the_loan_ends(tmp_path: Path, lent: Lend) -> None:
    run = lent(tmp_path)
    with pytest.raises(RunLockedError):
        lent(tmp_path)
    run.close()
    Lock(tmp_path / ".lock").close()
    with pytest.raises(RunLockedError, match="is being run on another node by now"):
        run.write(piece(0, b"late\n"))
    assert not (tmp_path / "log.jsonl").exists()


def test_another_process_that_has_written_is_noticed(tmp_path: Path, lent: Lend) -> None:
    run = lent(tmp_path)
    run.write(piece(0, b"ours\n"))
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b"theirs\n")
    with pytest.raises(RunLockedError, match=r"another process too: it has written to log\.jsonl"):
        run.write(piece(5, b"ours\n"))


def test_after_a_failed_write_nothing_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lent: Lend
) -> None:
    run = lent(tmp_path)
    run.write(piece(0, b"a\n"))

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            run.write(piece(2, b"b\n"))
    with pytest.raises(OSError, match=r"an earlier write to .* failed"):
        run.write(piece(4, b"c\n"))


@pytest.mark.parametrize(
    "name", ["../run_2/log.jsonl", "/etc/x", "", ".lock", "a/b", "trajectories/../x", "trajectories/.x", "a/b/c", "x\0"]
)
def test_a_node_names_no_file_outside_the_run(tmp_path: Path, name: str, lent: Lend) -> None:
    run = lent(tmp_path)
    with pytest.raises(OSError, match="is no file of a run directory"):
        run.write(piece(0, b"x", name=name, anew=True))
    with pytest.raises(OSError, match="is no file of a run directory"):
        run.read(name, 0)


def test_its_content_is_told_without_hidden_files(tmp_path: Path, lent: Lend) -> None:
    (tmp_path / "trajectories").mkdir()
    (tmp_path / "trajectories/iteration_0001.npz").write_bytes(b"abc")
    (tmp_path / "llm_calls.jsonl").write_bytes(b"x" * (PIECE_BYTES + 5))
    (tmp_path / ".run.yaml.tmp").touch()
    run = lent(tmp_path)
    assert run.content() == (
        {"llm_calls.jsonl": PIECE_BYTES + 5, "trajectories/iteration_0001.npz": 3},
        ["trajectories"],
    )
    assert len(run.read("llm_calls.jsonl", 0)) == PIECE_BYTES
    assert run.read("llm_calls.jsonl", PIECE_BYTES) == b"x" * 5
    assert run.read("llm_calls.jsonl", PIECE_BYTES + 5) == b""


def test_a_run_that_wrote_nothing_leaves_nothing(tmp_path: Path, lent: Lend) -> None:
    for begins in (False, True):
        directory = RunDirectory.create(tmp_path / "logs", 1)
        run = LentRun(directory, is_new=True)
        if begins:
            run.write(piece(0, b"x", name="run.yaml", anew=True))
        run.give_back()
        assert directory.path.exists() is begins
    kept = lent(tmp_path / "logs/run_1")
    kept.remove()  # it was there before
    kept.give_back()
    assert (tmp_path / "logs/run_1/run.yaml").exists()
