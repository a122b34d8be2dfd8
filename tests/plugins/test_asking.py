"""What configs ask for: it is loaded if its user lets it run, and otherwise nothing of it runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from r2po import plugins
from r2po.errors import InputError
from tests.plugins.installing import install
from tests.plugins.test_loading import counting, write

ASKS = r"my\.yaml asks for the plugin 'mine'"
REMEDY = "; to let it run code: --plugin mine, or install it with an entry point"


@pytest.mark.parametrize(
    ("file", "where"),
    [
        ("mine.py", " (./mine.py)"),
        ("mine/__init__.py", " (./mine)"),
        ("configs/mine.py", " (configs/mine.py)"),
        ("", ""),
    ],
)
def test_a_need_alone_lets_nothing_run(file: str, where: str) -> None:
    if file:
        counting(file)
    for ask in (plugins.require, plugins.allow_import):
        with pytest.raises(InputError) as raised:
            ask("mine", "my.yaml", [Path("configs")])
        assert str(raised.value) == f"my.yaml asks for the plugin 'mine'{where}{REMEDY}"
    assert not Path("count").exists()


def test_neither_does_an_id() -> None:
    counting("mine.py")
    with pytest.raises(InputError, match=r"the environment 'mine:Lab-v0' asks for the plugin 'mine' \(\./mine\.py\)"):
        plugins.import_for_id("mine", "mine:Lab-v0")
    assert not Path("count").exists()


@pytest.mark.parametrize("module", ["json", "os", "xml.dom", "r2po.cli", "mine of", ".mine", "", "mine..x"])
def test_no_module_is_allowed_unasked_not_even_one_that_is_imported(module: str) -> None:
    with pytest.raises(InputError, match="asks for the plugin"):
        plugins.import_for_id(module, f"{module}:Lab-v0")


def test_a_program_that_has_imported_it_is_told_how_its_environments_are_named() -> None:
    with pytest.raises(InputError, match=r"entry point; what this program has imported itself is named without the mo"):
        plugins.import_for_id("json", "json:Lab-v0")
    with pytest.raises(InputError, match=r"with an entry point$"):
        plugins.import_for_id("mine", "mine:Lab-v0")


def test_what_the_user_names_is_allowed_with_all_its_modules() -> None:
    counting("mine/__init__.py")
    write("mine/part.py", "")
    plugins.load_told(["mine"])
    plugins.import_for_id("mine.part", "mine.part:Lab-v0")
    assert "mine.part" in sys.modules
    assert plugins.require("mine", "my.yaml").name == "mine"
    with pytest.raises(InputError, match=r"plugin 'mine' does not import: ModuleNotFoundError: .*'mine\.nope'"):
        plugins.import_for_id("mine.nope", "mine.nope:Lab-v0")
    with pytest.raises(InputError, match=r"the plugin 'minetoo'"):
        plugins.import_for_id("minetoo", "minetoo:Lab-v0")


def test_what_is_installed_is_allowed_and_loaded_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    install(tmp_path / "site", "mine = labs.r2po")
    write("site/labs/__init__.py", "")
    counting("site/labs/r2po.py")
    write("site/labs/worlds.py", "")
    plugins.allow_import("labs.worlds", "my.yaml")
    assert not Path("count").exists()
    plugins.import_for_id("labs.worlds", "labs.worlds:Lab-v0")
    assert "labs.worlds" in sys.modules
    for name in ("mine", "labs.r2po"):
        found = plugins.require(name, "my.yaml")
        assert (found.name, found.version, found.told) == ("mine", "1.2", False)
    assert Path("count").read_text() == "x"


def test_what_a_users_own_script_has_imported_meets_a_need_and_lets_nothing_else_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("mine/__init__.py", "")
    counting("mine/part.py")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    __import__("mine")
    assert plugins.require("mine", "my.yaml").place.module == "mine"
    with pytest.raises(InputError, match="asks for the plugin 'mine'"):
        plugins.import_for_id("mine.part", "mine.part:Lab-v0")
    assert not Path("count").exists()


def test_the_variable_counts_outside_the_command_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    counting("mine.py")
    monkeypatch.setenv("R2PO_PLUGINS", "mine")
    assert plugins.require("mine", "my.yaml").told
    assert Path("count").read_text() == "x"
