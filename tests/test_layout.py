"""The tests of a room are where its name says, and the document of the rooms has them in the order that is checked."""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "r2po"
NO_ROOMS = {"benchmarks", "foreign", "process", "outside", "outside/lab", "llm/fake_servers"}
"""Folders of tests for no room in particular, of helpers, and of what stands outside the package."""


def packages(folder: Path) -> set[str]:
    return {str(path.parent.relative_to(folder)) for path in folder.rglob("__init__.py") if path.parent != folder}


def test_each_room_has_its_folder_of_tests_and_each_folder_its_room() -> None:
    assert packages(TESTS) - NO_ROOMS == packages(SOURCE)


def test_no_folder_of_tests_is_empty() -> None:
    assert [room for room in packages(SOURCE) if not [*(TESTS / room).rglob("test_*.py")]] == []


def test_the_tests_of_a_module_outside_the_rooms_bear_its_name() -> None:
    modules = {path.stem for path in SOURCE.glob("[!_]*.py")} - {"trial"}  # which is tested where it is used
    assert modules <= {path.stem.removeprefix("test_") for path in TESTS.glob("test_*.py")}


def test_a_file_of_the_package_is_one_idea_and_at_most_300_lines() -> None:
    """Tests of one module stay in one file, however long: there one looks for them."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCE.rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > 300} == {}


def test_the_table_of_rooms_has_the_layers_that_are_checked() -> None:
    project = tomllib.loads((TESTS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    checked = [set(layer.strip("()").split(" | ")) for layer in layers if layer != "__main__"]
    text = (TESTS.parent / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`r2po/.*?) \|", text, re.MULTILINE)
    assert [{Path(name).stem for name in re.findall(r"`r2po/(.*?)`", row)} for row in rows] == checked
