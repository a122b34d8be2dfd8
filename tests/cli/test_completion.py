"""Completion as the shells ask for it: the code that ``r2po completion`` prints runs in real ones."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from r2po.cli import main
from r2po.cli.completion import SHELLS, _completer, _environments, _methods, _settings
from r2po.config import Config
from r2po.methods import METHODS
from r2po.tasks import TASKS
from tests.cli.test_help import parser_of
from tests.wheel import Installed

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("argcomplete") is None, reason="needs argcomplete: pip install 'r2po[completion]'"
)

ASK = {
    "bash": """
        source completion
        COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_WORDBREAKS=$' \\t\\n"><=;|&(:'
        _python_argcomplete r2po
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    # Zsh's own line editor needs a terminal: what it would be told is printed instead.
    "zsh": """
        _describe() { print -rl -- "${(@P)2}" }
        compdef() { }
        source ./completion
        BUFFER=$1 CURSOR=${#1}; words=(${(z)1})
        _python_argcomplete
    """,
    "fish": """
        source completion
        complete -C $argv[1]
    """,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("completion")
    for name in ("configs/nim/nim_props.yaml", "configs/nim/notes.txt", "logs/nim/run_1/run.yaml", "logs/nim/x.txt"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).touch()
    return work


def asked(installed: Installed, shell: str, line: str, folder: Path) -> set[str]:
    """Return what a shell offers at the end of a line."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    (folder / "completion").write_text(installed.run("completion", shell, cwd=folder).stdout, encoding="utf-8")
    environ = {**installed.environ, "PATH": f"{installed.folder / 'bin'}:{installed.environ['PATH']}"}
    environ["XDG_CONFIG_HOME"] = environ["XDG_DATA_HOME"] = str(folder)
    quiet = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    name = [] if shell == "fish" else [shell]
    done = subprocess.run(
        [program, *quiet, "-c", ASK[shell], *name, line],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    # Zsh and fish say after a colon or a tab what an offer is.
    return {word.split("\t")[0].replace("\\:", ":").split(":")[0].strip() for word in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_offers_commands_options_and_paths(shell: str, installed: Installed, folder: Path) -> None:
    assert asked(installed, shell, "r2po sw", folder) == {"sweep"}
    assert "--logs-root" in asked(installed, shell, "r2po paper_reward_curves --lo", folder)
    assert asked(installed, shell, "r2po run --config configs/nim/", folder) == {"configs/nim/nim_props.yaml"}


def test_bash_offers_names_and_run_directories(installed: Installed, folder: Path) -> None:
    assert asked(installed, "bash", "r2po check-task CartP", folder) == {"CartPole-v1"}
    assert asked(installed, "bash", "r2po show logs/nim/", folder) == {"logs/nim/run_1/"}


def test_the_names_are_those_that_there_are() -> None:
    assert {task.gym_id for task in TASKS.values()} <= set(_environments(""))
    assert _methods("") == list(METHODS)
    assert _settings("") == [f"{key}=" for key in Config.model_fields]
    assert set(_settings("method=c")) == {f"method={name}" for name in METHODS}
    assert _settings("temperature=") == []


@pytest.mark.parametrize(
    ("command", "option"),
    [("run", "--config"), ("run", "--set"), ("sweep", "config"), ("watch", "run_directory"), ("eval", "--logdir")],
)
def test_options_with_values_of_a_kind_are_completed(command: str, option: str) -> None:
    actions = parser_of(command)._actions
    (action,) = (each for each in actions if option in each.option_strings or option == each.dest)
    assert _completer(action) is not None


def test_without_argcomplete_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "argcomplete", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'r2po[completion]'" in capsys.readouterr().err
