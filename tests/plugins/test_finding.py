"""From what a user names to where it is; nothing of it is run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from r2po.errors import InputError
from r2po.plugins.finding import Place, find, installed
from tests.plugins.installing import install

BOOM = "raise RuntimeError('this ran')\n"


def write(path: str) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(BOOM, encoding="utf-8")
    return file.absolute()


@pytest.mark.parametrize("told", ["./mine.py", "mine.py", "~/mine.py"])
def test_a_file(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = write("mine.py")
    assert find(told) == Place("mine", "mine", str(file), str(tmp_path))


@pytest.mark.parametrize("told", ["code/mine", "code/mine/", "code/mine/__init__.py"])
def test_a_folder_that_is_a_package(told: str, tmp_path: Path) -> None:
    file = write("code/mine/__init__.py")
    assert find(told) == Place("mine", "mine", str(file), str(tmp_path / "code"))


def test_a_module_in_the_working_directory_comes_before_one_beside_the_config(tmp_path: Path) -> None:
    write("configs/mine.py")
    assert find("mine", [Path("configs")]) == Place("mine", "mine", folder=str(tmp_path / "configs"))
    write("mine/__init__.py")
    assert find("mine", [Path("configs")]) == Place("mine", "mine", folder=str(tmp_path))
    assert find("mine.part", [Path("configs")]) == Place("mine.part", "mine.part", folder=str(tmp_path))


def test_what_python_finds_by_itself_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("mine.py")
    write("site/mine.py")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    assert find("mine") == Place("mine", "mine")


def test_a_module_that_python_finds_here_is_handed_on_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python looks in the working directory in some processes only: in those started with ``-m``."""
    write("mine.py")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert find("mine") == Place("mine", "mine", folder=str(tmp_path))


def test_entry_points_are_found_by_their_name_and_by_their_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    install(tmp_path / "site", "lab = labs.physics")
    write("lab.py")
    place = Place("lab", "labs.physics", installed=True)
    assert installed() == [place]
    assert find("lab") == find("labs.physics") == place
    assert place.top == "labs"


def test_two_packages_must_not_have_one_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    install(tmp_path / "site", "lab = one")
    install(tmp_path / "site", "lab = two", name="another")
    with pytest.raises(InputError, match="two installed packages have a plugin 'lab'"):
        installed()


def test_an_entry_point_is_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    install(tmp_path / "site", "lab = lab:main")
    with pytest.raises(InputError, match=r"entry point 'lab' of r2po\.plugins is 'lab:main'; expected .* a module"):
        installed()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("mine.txt/", r"no plugin 'mine.txt/': expected a file that ends in \.py, or a folder"),
        ("nowhere.py", r"no plugin 'nowhere\.py': expected a file"),
        ("my-lab.py", r"'my-lab' cannot be the name of a module"),
        ("json.py", r"there is another module 'json' \(.*json.__init__\.py\), which it would replace"),
        ("sys.py", r"there is another module 'sys' \(part of Python\)"),
        ("my lab", r"no plugin 'my lab': expected the name of a module or entry point, or the path of a file"),
        ("", "no plugin ''"),
        ("minne", r"no plugin 'minne' \(did you mean 'mine'\?\): .* module or entry point, or \./minne\.py or co"),
    ],
)
def test_what_is_no_plugin(told: str, said: str) -> None:
    for name in ("mine.py", "my-lab.py", "json.py", "sys.py"):
        write(name)
    with pytest.raises(InputError, match=said) as raised:
        find(told, [Path("configs")])
    assert "\n" not in str(raised.value)
    assert not re.search("this ran", str(raised.value))
