"""Plugins are imported once; what is wrong with one is said in one line; what is recorded are facts."""

from __future__ import annotations

import hashlib
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from r2po import plugins
from r2po.errors import InputError
from r2po.plugins.finding import find
from r2po.registry import Registry
from tests.plugins.installing import install

SECRET = "sk-a'b\\c\td%41 öß"


@dataclass(frozen=True)
class Thing:
    name: str


THINGS: Registry[Thing] = Registry("thing")
REGISTERS = "from tests.plugins.test_loading import THINGS, Thing\nTHINGS.register(Thing({name!r}))\n"


def write(path: str, text: str) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file.absolute()


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(THINGS, "_items", {})
    monkeypatch.setattr(THINGS, "_sources", {})


def counting(path: str) -> None:
    """Write a module that counts how often it is imported."""
    write(path, "from pathlib import Path\nwith Path('count').open('a') as file:\n    file.write('x')\n")


def test_a_plugin_is_imported_once_however_it_is_named() -> None:
    counting("mine.py")
    plugins.load_told(["mine", "./mine.py", "mine"])
    plugins.load_told(["mine.py"])
    assert plugins.require("mine", "nobody").told
    assert Path("count").read_text() == "x"
    assert [(each.name, each.told, each.version) for each in plugins.loaded()] == [("mine", True, None)]


def test_threads_import_it_once() -> None:
    counting("mine.py")
    threads = [threading.Thread(target=plugins.load_told, args=(["mine"],)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Path("count").read_text() == "x"


def test_two_plugins_of_one_name_are_refused() -> None:
    counting("mine.py")
    counting("other/mine.py")
    plugins.load_told(["mine"])
    with pytest.raises(InputError, match=r"another module 'mine' \(.*mine\.py\)"):
        plugins.load_told(["other/mine.py"])
    assert Path("count").read_text() == "x"


def test_its_modules_are_found_beside_it_and_after_all_others(tmp_path: Path) -> None:
    write("code/mine.py", "import helper_of_mine, json\nassert json.dumps\n")
    write("code/helper_of_mine.py", "")
    write("code/json.py", "raise RuntimeError")
    before = [*sys.path]
    plugins.load_told(["code/mine.py"])
    assert sys.path == [*before, str(tmp_path / "code")]


def test_the_variable_names_plugins_too(monkeypatch: pytest.MonkeyPatch) -> None:
    counting("one.py")
    counting("code/two.py")
    monkeypatch.setenv("R2PO_PLUGINS", "one, code/two.py,")
    plugins.load_told([])
    plugins.load_installed()
    assert [(each.name, each.told) for each in plugins.loaded()] == [("one", True), ("two", True)]
    assert Path("count").read_text() == "xx"


def test_installed_plugins_are_loaded_when_a_name_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    install(tmp_path / "site", "lab = labs\nalso = labs.also")
    write("site/labs/__init__.py", REGISTERS.format(name="late"))
    write("site/labs/also.py", REGISTERS.format(name="also"))
    registry = Registry("thing", Thing("known"), further=plugins.load_installed)
    assert registry.find("known").name == "known"
    assert plugins.loaded() == []
    with pytest.raises(InputError, match=r"unknown thing 'nope'; known: known"):
        registry.find("nope")
    assert [(each.name, each.version, each.told) for each in plugins.loaded()] == [
        ("also", "1.2", False),
        ("lab", "1.2", False),
    ]
    assert THINGS.source_of("late").late
    assert plugins.owner_of("labs.physics") in ("also", "lab")
    assert plugins.owner_of("labs_of_others") == ""


def test_a_plugin_that_is_named_is_not_late_and_says_where_things_come_from() -> None:
    write("mine.py", REGISTERS.format(name="own"))
    plugins.load_told(["mine"])
    THINGS.register(Thing("of nobody"))
    assert (THINGS.source_of("own").name, THINGS.source_of("own").late) == ("mine", False)
    assert THINGS.source_of("of nobody").name == ""


def test_other_processes_load_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting("code/mine.py")
    plugins.load_told(["mine"], [Path("code")])
    places = plugins.loaded_places()
    monkeypatch.setattr(plugins.loading, "_state", plugins.loading.State())
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(tmp_path / "code")])
    del sys.modules["mine"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    monkeypatch.setenv("R2PO_PLUGINS", "what the first process has loaded")
    plugins.load_places(places)
    assert [(each.name, each.told) for each in plugins.loaded()] == [("mine", True)]
    assert Path("count").read_text() == "x"


# ---- What is recorded ----


def test_the_hash_is_over_the_names_and_contents_of_the_source_files(tmp_path: Path) -> None:
    write("mine/__init__.py", "import mine.part\n")
    write("mine/part.py", "X = 1\n")
    write("mine/cards/task.yaml", "name: x\n")
    write("mine/prompts/search.j2", "{{ x }}")
    write("mine/data.csv", "1,2")
    plugins.load_told(["mine"])
    total = hashlib.sha256()
    for name in ("__init__.py", "cards/task.yaml", "part.py", "prompts/search.j2"):
        content = Path("mine", name).read_bytes()
        total.update(name.encode() + b"\0" + str(len(content)).encode() + b"\0" + content)
    assert plugins.loaded()[0].sha256 == total.hexdigest()


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        (lambda: write("mine/part.py", "X = 2\n"), True),
        (lambda: write("mine/new.py", ""), True),
        (lambda: Path("mine/part.py").rename("mine/renamed.py"), True),
        (lambda: write("mine/card.yaml", ""), True),
        (lambda: write("mine/notes.txt", "changed"), False),
        (lambda: write("beside.py", ""), False),
    ],
)
def test_the_hash_changes_with_the_source_and_only_with_it(change: object, differs: bool) -> None:
    def now() -> str:
        plugins.loading._state = plugins.loading.State()
        plugins.load_told(["mine"])
        return plugins.loaded()[0].sha256

    write("mine/__init__.py", "")
    write("mine/part.py", "X = 1\n")
    before = now()
    assert callable(change)
    change()
    assert (now() != before) == differs


def test_the_version_is_that_of_the_distribution() -> None:
    plugins.load_told(["yaml"])
    from importlib.metadata import version

    assert plugins.loaded()[0].version == version("PyYAML")


# ---- A plugin that does not import ----


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\nundefined\n", "NameError: name 'undefined' is not defined (./mine.py:2)"),
        ("import nothing_of_this_name\n", "ModuleNotFoundError: No module named 'nothing_of_this_name' (./mine.py:1)"),
        ("def f(:\n", "SyntaxError: "),
        ("import sys\n\nsys.exit(3)\n", "SystemExit: 3 (./mine.py:3)"),
        ("raise ValueError('first line\\n\\nlast   line\\n')\n", "ValueError: last line (./mine.py:1)"),
        ("assert False\n", "AssertionError (./mine.py:1)"),
        ("import json\njson.loads('{')\n", "JSONDecodeError: Expecting property name enclosed in double quotes"),
        ("from r2po.errors import InputError\nraise InputError('method is registered already')\n", "method is reg"),
        ("class E(Exception):\n    def __str__(self):\n        raise OSError\nraise E\n", "E (./mine.py:4)"),
    ],
)
def test_why_a_plugin_does_not_import_is_one_line(text: str, said: str) -> None:
    write("mine.py", text)
    with pytest.raises(InputError) as raised:
        plugins.load_told(["mine"])
    assert str(raised.value).startswith(f"plugin 'mine' does not import: {said}")
    assert len(str(raised.value).splitlines()) == 1
    assert "(./mine.py:" in str(raised.value)
    assert plugins.loaded() == []
    with pytest.raises(InputError) as again:  # and not that half of it is registered already
        plugins.load_told(["mine"])
    assert str(again.value) == str(raised.value)


def test_an_interrupt_is_none_of_its_errors() -> None:
    write("mine.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        plugins.load_told(["mine"])
    assert "mine" not in sys.modules


@pytest.mark.parametrize(
    "expression",
    [
        "value",
        "f'{value!r}'",
        "f'the key {value} is refused'",
        "dict(os.environ)",
        "[value]",
        "value.upper() and f'{value}{value}'",
        "f'two lines\\n{value}'",
    ],
)
@pytest.mark.parametrize("secret", [SECRET, "abc", "first half\nsecond half", "x" * 5000])
def test_a_plugins_error_shows_no_value_of_the_environment(
    expression: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_API_KEY", secret)
    write("mine.py", f"import os\nvalue = os.environ['LAB_API_KEY']\nraise RuntimeError({expression})\n")
    with pytest.raises(InputError) as raised:
        plugins.load_told(["mine"])
    said = str(raised.value)
    assert len(said) < 400
    for part in (secret, repr(secret)[1:-1], "second half", "xxx", "sk-a"):
        if part in secret or part == repr(secret)[1:-1]:
            assert part not in said, said
    assert "$LAB_API_KEY" in said or expression == "dict(os.environ)"


def test_find_runs_nothing() -> None:
    counting("mine.py")
    find("mine")
    find("./mine.py")
    assert not Path("count").exists()
