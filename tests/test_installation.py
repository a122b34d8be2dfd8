"""How commands and extras are told: as one may call them from where one is."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from r2po import installation
from r2po.cli import COMMANDS
from tests.builders import CONFIGS

ROOT = CONFIGS.parent


def test_scripts_are_told_in_the_checkout_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert installation.call("run", "--list") == "python main.py --list"
    assert installation.call("paper_reward_curves") == "python paper_reward_curves.py"
    assert installation.call("sweep", "x.yaml") == "r2po sweep x.yaml"
    monkeypatch.chdir(tmp_path)
    assert installation.call("run", "--list") == "r2po run --list"


def test_a_main_py_of_ones_own_is_not_taken_for_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "main.py").touch()
    monkeypatch.chdir(tmp_path)
    assert installation.call("run") == "r2po run"


def test_every_script_of_the_checkout_is_a_command_too() -> None:
    scripts = {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("*.py")}
    commands = {name: re.findall(r'main\(\["(\w+)"', text) for name, text in scripts.items()}
    assert len(commands) >= 10
    assert all(len(found) == 1 and found[0] in COMMANDS for found in commands.values()), commands
    assert {f"{found[0]}.py".replace("run.py", "main.py") for found in commands.values()} == set(commands)


def test_the_extra_that_brings_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ['cma>=4.0; extra == "dev"', 'cma>=4.0; extra == "search"', "numpy>=2.1", 'gymnasium[box2d]; extra == "x"']
    monkeypatch.setattr(metadata, "requires", lambda _name: lines)
    assert installation.install_package("cma") == "pip install 'r2po[search]'"
    assert installation.install_package("numpy") == "pip install numpy"
    assert installation.install_package("cm") == "pip install cm"


def test_what_comes_with_the_package_is_what_the_checkout_shows() -> None:
    assert installation.shipped_configs().resolve() == CONFIGS
    assert installation.shipped_environment().resolve() == ROOT / ".env.example"
    assert installation.checkout() == ROOT


def test_no_message_says_what_only_a_checkout_has() -> None:
    """A string of the package names neither a script nor a file of the checkout; those are told by ``installation``."""
    names = re.compile(
        r"\b(?:main|eval|paper_\w+|sb3_baselines|eval_all_results|tau_c_\w+)\.py\b|requirements\.txt|docs/\S+\.md"
    )
    found = []
    for path in (ROOT / "r2po").rglob("*.py"):
        text = re.sub(r'"""(?:.|\n)*?"""', "", path.read_text(encoding="utf-8"))  # docstrings
        if path.name != "installation.py":
            found += [f"{path.name}: {match.group()}" for match in names.finditer(text)]
    assert found == []
