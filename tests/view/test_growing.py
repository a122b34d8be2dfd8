"""What was added to a log is read, and nothing twice; what is torn is not there yet."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.runlog.jsonl import dump
from r2po.view.growing import Growing

REWARDS = st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-(10**9), 10**9))


def line_of(number: int, reward: Any, best: Any, **more: Any) -> bytes:
    return f"{dump({'iteration': number, 'reward': reward, 'best_reward': best, 'accepted': 0, **more})}\n".encode()


def read(path: Path, growing: Growing) -> None:
    growing.read_on(path.stat() if path.exists() else None)


def values(growing: Growing) -> list[tuple[int, float, float]]:
    return list(zip(growing.numbers, map(repr, growing.rewards), map(repr, growing.best), strict=True))  # type: ignore[arg-type]


@given(st.lists(REWARDS, max_size=12), st.lists(st.integers(0, 2000), max_size=8))
def test_read_in_any_pieces_it_is_what_it_is_as_a_whole(rewards: list[Any], cuts: list[int]) -> None:
    data = b"".join(line_of(n, reward, reward) for n, reward in enumerate(rewards, 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "iterations.jsonl"
        growing = Growing(path)
        for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
            path.write_bytes(data[:cut])
            read(path, growing)
            assert len(growing.numbers) == data[:cut].count(b"\n")
        whole = Growing(path)
        read(path, whole)
        assert values(growing) == values(whole)
        assert (growing.fault, whole.fault) == ("", "")
        assert list(growing.numbers) == list(range(1, len(rewards) + 1))
        told = [math.nan if reward is None else float(reward) for reward in rewards]
        assert [repr(each) for each in growing.rewards] == [repr(each) for each in told]


def test_the_first_bytes_of_a_line_say_what_all_of_it_says(cartpole: Path) -> None:
    growing = Growing(cartpole / "iterations.jsonl")
    read(cartpole / "iterations.jsonl", growing)
    lines = [json.loads(line) for line in (cartpole / "iterations.jsonl").read_text().splitlines()]
    assert list(growing.numbers) == [line["iteration"] for line in lines]
    assert list(growing.rewards) == [line["reward"] for line in lines]
    assert list(growing.best) == [line["best_reward"] for line in lines]
    assert growing.last == lines[-1]


def test_lines_are_written_so_that_their_first_bytes_do(cartpole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every line would be parsed, which takes long where there are many runs."""
    monkeypatch.setattr(Growing, "_parsed", lambda *_: pytest.fail("a line was parsed"))
    growing = Growing(cartpole / "iterations.jsonl")
    read(cartpole / "iterations.jsonl", growing)
    assert len(growing.numbers) == 5


def test_older_logs_do_not_say_the_best(tmp_path: Path) -> None:
    path = tmp_path / "iterations.jsonl"
    path.write_text("".join(f'{{"reward": {reward}, "iteration": {n}}}\n' for n, reward in enumerate([1, 3, 2], 1)))
    growing = Growing(path)
    read(path, growing)
    assert (list(growing.rewards), list(growing.best)) == ([1, 3, 2], [1, 3, 3])


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"null", b'{"iteration": "1"}', b'{"iteration": true, "reward": 1}', b'{"iteration":1e99}'],
)
def test_what_is_no_iteration_is_named(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "iterations.jsonl"
    path.write_bytes(line_of(1, 5.0, 5.0) + line + b"\n" + line_of(3, 7.0, 7.0))
    growing = Growing(path)
    read(path, growing)
    assert growing.fault == "iterations.jsonl, line 2 is not an iteration"
    assert list(growing.numbers) == [1, 3]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "true", '"5"', "[5]"])
def test_what_is_no_number_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "iterations.jsonl"
    path.write_text(f'{{"iteration":1,"reward":{text},"best_reward":{text},"accepted":0}}\n')
    growing = Growing(path)
    read(path, growing)
    assert list(growing.numbers) == [1]
    assert math.isnan(growing.rewards[0])
    assert math.isnan(growing.best[0])


def test_a_file_that_shrank_or_was_replaced_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "iterations.jsonl"
    path.write_bytes(line_of(1, 1.0, 1.0) + line_of(2, 2.0, 2.0))
    growing = Growing(path)
    read(path, growing)
    path.write_bytes(line_of(1, 9.0, 9.0))
    read(path, growing)
    assert list(growing.rewards) == [9.0]
    path.rename(tmp_path / "aside")
    path.write_bytes(line_of(1, 4.0, 4.0) + line_of(2, 4.0, 4.0))
    read(path, growing)
    assert list(growing.rewards) == [4.0, 4.0]
    path.unlink()
    read(path, growing)
    assert (list(growing.numbers), growing.last) == ([], {})
