"""What ``--help`` shows: fits a narrow terminal, has every option once, and examples that the command understands."""

from __future__ import annotations

import argparse
import shlex
from importlib import import_module

import pytest

from r2po.cli import COMMANDS, main
from r2po.cli.help import EXAMPLES, SECTIONS, Parser
from tests.builders import CONFIGS


def parser_of(command: str) -> Parser:
    parser = Parser(command, description="A sentence.", prog=f"r2po {command}")
    import_module(f"r2po.cli.{command.replace('-', '_')}").add_options(parser)
    return parser


def shown(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match=r"^0$"):
        main([command, "--help"])
    return capsys.readouterr().out


def test_every_command_has_examples() -> None:
    assert list(EXAMPLES) == [name for name in EXAMPLES if name in COMMANDS]
    assert {name: len(EXAMPLES.get(name, {})) for name in COMMANDS if len(EXAMPLES.get(name, {})) not in (2, 3)} == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_screen_fits_eighty_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(command, capsys, monkeypatch)
    assert [line for line in text.splitlines() if len(line) > 80] == []
    sentence = f"{COMMANDS[command][0].upper()}{COMMANDS[command][1:]}."
    assert sentence in " ".join(text.split())
    for arguments in EXAMPLES[command]:
        whole = f"r2po {command} {arguments}".strip()
        assert whole in " ".join(text.replace("\\\n", "").split()), whole


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_stands_in_one_section(command: str) -> None:
    parser = parser_of(command)
    listed = [action for _, _, actions in parser._sections() for action in actions]
    assert len(listed) == len({id(action) for action in listed})
    assert {id(action) for action in listed} == {id(action) for action in parser._actions}


def test_no_option_is_in_two_sections() -> None:
    options = [option for section in SECTIONS.values() for option in section]
    assert len(options) == len(set(options))


@pytest.mark.parametrize(
    ("command", "arguments"), [(name, arguments) for name, examples in EXAMPLES.items() for arguments in examples]
)
def test_examples_are_understood(command: str, arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIGS.parent)
    words = shlex.split(arguments.split(" > ")[0])
    options = parser_of(command).parse_args(words)
    assert isinstance(options, argparse.Namespace)
    named = [word for word in words if word.startswith("configs/")]
    assert [name for name in named if not (CONFIGS.parent / name).is_file()] == []


@pytest.mark.parametrize("command", ["run", "list", "init", "check-task"])
def test_examples_run(command: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("work")
    (folder / "configs").symlink_to(CONFIGS)
    monkeypatch.chdir(folder)
    example = next(iter(EXAMPLES[command]))
    assert main([command, *shlex.split(example)]) == 0
