"""The file of fresh episodes is read as it was written; whatever else was done to it shows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.runlog import RunDirectory
from r2po.runlog.jsonl import Appender, DamagedLog
from r2po.runlog.reevaluation import fresh_rewards, gaps, read_reevaluation

LOGGED = [(1, 0.5), (2, 0.25)]


def write(path: Path, *lines: tuple[int, int, list[float]]) -> Path:
    with closing(Appender(path, sealed=True)) as log:
        for iteration, first, returns in lines:
            log.append({"iteration": iteration, "first": first, "solution": f"s{iteration}", "returns": returns})
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    RunDirectory(tmp_path).write_description({"seed": 1})
    return write(tmp_path / "reevaluation.jsonl", (1, 0, [1.0, 0.0]), (2, 0, [1.0]), (2, 1, [0.0, 0.5]))


def test_later_lines_add_episodes(file: Path) -> None:
    found = read_reevaluation(file)
    assert {number: each.returns for number, each in found.items()} == {1: [1.0, 0.0], 2: [1.0, 0.0, 0.5]}
    assert fresh_rewards(found, LOGGED) == [0.5, 0.5]
    assert "holds 2 to 3 episodes" in gaps(found, LOGGED)


def test_what_is_missing_is_named(file: Path) -> None:
    found = read_reevaluation(file)
    assert fresh_rewards(found, [*LOGGED, (4, 0.0)]) is None
    assert "holds 2 of 3 accepted candidates" in gaps(found, [*LOGGED, (4, 0.0)])


def test_a_policy_that_fails_on_fresh_episodes_keeps_its_logged_reward_and_is_named(file: Path) -> None:
    failure = {"kind": "error", "text": "KeyError: 7"}
    with closing(Appender(file, sealed=True)) as log:
        log.append({"iteration": 4, "first": 0, "solution": "s4", "returns": [], "failure": failure})
    found, logged = read_reevaluation(file), [*LOGGED, (4, -7.0)]
    assert fresh_rewards(found, logged) == [0.5, 0.5, -7.0]
    assert gaps(found, logged) == "1 of 3 accepted policies fail on fresh episodes; their logged rewards count"


def test_a_missing_file_holds_nothing_and_a_torn_last_line_does_not_count(file: Path) -> None:
    assert read_reevaluation(file.with_name("no.jsonl")) == {}
    file.write_bytes(file.read_bytes()[:-5])
    assert read_reevaluation(file)[2].returns == [1.0]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("[1.0,0.0]", "[1.0,1.0]"),
        lambda text: text.split("\n", 1)[1],
        lambda text: text.replace(',"sum":', ',"sam":'),
        lambda text: text + text.splitlines()[-1] + "\n",
        lambda text: text.replace("[1.0,0.0]", "[]"),
        lambda text: text.replace("[1.0,0.0]", "[1e999,0.0]"),
        lambda text: text.replace('"iteration":1', '"iteration":0'),
    ],
    ids=["number", "lost line", "no checksum", "doubled line", "no returns", "not finite", "no iteration"],
)
def test_damage_is_named_with_the_remedy(file: Path, damage: Callable[[str], str]) -> None:
    file.write_text(damage(file.read_text()))
    with pytest.raises(DamagedLog, match=r"reevaluation\.jsonl, line \d.*; delete it, and r2po reevaluate makes it"):
        read_reevaluation(file)


def test_it_belongs_to_its_run(file: Path, tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_description({"seed": 2})
    with pytest.raises(DamagedLog, match="checksum"):
        read_reevaluation(file)


def test_lines_that_do_not_continue_each_other_are_refused(tmp_path: Path) -> None:
    for number, lines in enumerate([((1, 1, [0.0]),), ((1, 0, [0.0]), (1, 0, [0.0])), ((1, 0, [0.0]), (1, 2, [0.0]))]):
        path = write(tmp_path / f"{number}.jsonl", *lines)
        with pytest.raises(DamagedLog, match="does not continue"):
            read_reevaluation(path)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reevaluation.jsonl"
        path.write_bytes(data)
        with suppress(DamagedLog):
            assert read_reevaluation(path) == {}  # nothing of so few bytes has a checksum that fits
