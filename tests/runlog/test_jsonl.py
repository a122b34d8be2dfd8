"""Logs that survive a kill at any byte."""

from __future__ import annotations

import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.runlog.jsonl import Appender, DamagedLog, dump, iterate_lines, write_atomically

texts = st.text(max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)
logs = st.lists(st.dictionaries(texts, values, max_size=3), max_size=4)


def write(path: Path, records: list[dict[str, Any]]) -> None:
    log = Appender(path)
    for record in records:
        log.append(record)
    log.close()


@given(logs)
def test_records_come_back_as_they_were(records: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "log.jsonl")
        write(path, records)
        assert [json.dumps(record) for record in iterate_lines(path)] == [json.dumps(record) for record in records]
        assert path.read_bytes().count(b"\n") == len(records)


@given(logs, st.dictionaries(texts, values, max_size=2))
@settings(max_examples=20)
def test_a_log_torn_at_any_byte_loses_the_torn_line_and_no_other(
    records: list[dict[str, Any]], following: dict[str, Any]
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "log.jsonl")
        write(path, records)
        whole = path.read_bytes()
        for cut in range(len(whole) + 1):
            path.write_bytes(whole[:cut])
            complete = records[: whole[:cut].count(b"\n")]
            assert list(iterate_lines(path)) == complete
            assert path.read_bytes() == whole[:cut], "reading changes nothing"
        for cut in {0, len(whole) // 3, len(whole) // 2, max(len(whole) - 1, 0)}:
            path.write_bytes(whole[:cut])
            write(path, [following])
            assert list(iterate_lines(path)) == [*records[: whole[:cut].count(b"\n")], following]


def test_no_file_is_an_empty_log(tmp_path: Path) -> None:
    assert list(iterate_lines(tmp_path / "nothing.jsonl")) == []
    assert not (tmp_path / "nothing.jsonl").exists()


@pytest.mark.parametrize("damage", [b"{'a': 1}", b"[1]", b"1", b"", b'{"a":', b"\xff\xfe", b'{"a": 1} {"a": 2}'])
def test_damage_before_the_last_line_is_reported_with_its_place(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a":1}\n' + damage + b'\n{"a":2}\n')
    with pytest.raises(DamagedLog, match=r"log\.jsonl, line 2: not a JSON object"):
        list(iterate_lines(path))
    with pytest.raises(DamagedLog, match="line 2"):
        Appender(path)
    assert path.read_bytes().endswith(b'{"a":2}\n')


@given(st.floats(allow_nan=False))
def test_numbers_come_back_exactly(value: float) -> None:
    back = json.loads(dump({"x": np.float64(value), "y": value, "z": np.array([value])}))
    assert back["x"] == back["y"] == back["z"][0] == value
    assert math.copysign(1, back["x"]) == math.copysign(1, value)


def test_values_of_numpy() -> None:
    assert dump({"i": np.int64(3), "b": np.bool_(True), "a": np.arange(3)}) == '{"i":3,"b":true,"a":[0,1,2]}'
    assert json.loads(dump({"x": float("nan")}))["x"] != 0


def test_what_does_not_belong_into_a_log() -> None:
    with pytest.raises(TypeError, match="Path"):
        dump({"path": Path("x")})


def test_half_a_surrogate_pair_comes_back_and_leaves_valid_utf8(tmp_path: Path) -> None:
    # Servers send such text as "\ud83d"; Python reads it without complaint.
    path = tmp_path / "log.jsonl"
    write(path, [{"text": "params \ud83d!"}])
    assert list(iterate_lines(path)) == [{"text": "params \ud83d!"}]
    path.read_text(encoding="utf-8")


def test_a_whole_file_is_written_or_none(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]
    with pytest.raises(TypeError):
        write_atomically(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"two"
