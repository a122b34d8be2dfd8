"""The tests of a room are where its name says."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "r2po"
NO_ROOMS = {"process", "llm/fake_servers"}
"""Folders of tests for no room in particular, and of helpers."""


def packages(folder: Path) -> set[str]:
    return {str(path.parent.relative_to(folder)) for path in folder.rglob("__init__.py") if path.parent != folder}


def test_each_room_has_its_folder_of_tests_and_each_folder_its_room() -> None:
    assert packages(TESTS) - NO_ROOMS == packages(SOURCE)


def test_no_folder_of_tests_is_empty() -> None:
    assert [room for room in packages(SOURCE) if not [*(TESTS / room).rglob("test_*.py")]] == []


def test_the_tests_of_a_module_outside_the_rooms_bear_its_name() -> None:
    modules = {path.stem for path in SOURCE.glob("[!_]*.py")} - {"trial"}  # which is tested where it is used
    assert modules <= {path.stem.removeprefix("test_") for path in TESTS.glob("test_*.py")}
