"""``r2po completion``, and what Tab then offers: commands, options, and the names and paths that fit."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from r2po.errors import InputError
from r2po.installation import install

SHELLS = ("bash", "zsh", "fish")
ASKED = "_ARGCOMPLETE"
"""The environment variable by which a shell asks."""

Completer = Callable[..., Iterable[str]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")


def run(options: argparse.Namespace) -> int:
    """Print the code for the shell.

    Raises:
        InputError: argcomplete, which does the work, is not installed.
    """
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError:
        raise InputError(f"completion needs argcomplete, which is not installed: {install('completion')}") from None
    sys.stdout.write(shellcode(["r2po"], shell=options.shell))
    return 0


def answer(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks what fits, and end; return if none asks."""
    if ASKED not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:
        return
    for action in _actions(parser):
        completer = _completer(action)
        if completer is not None:
            action.completer = completer  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser, default_completer=argcomplete.completers.FilesCompleter())


def _actions(parser: argparse.ArgumentParser) -> Iterable[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action


def _completer(action: argparse.Action) -> Completer | None:
    """Return what knows the values of an option, by what its help calls them; None for argparse's own choices."""
    names: dict[str, Completer] = {
        "CONFIG": _configs,
        "RUN": _folders,
        "RUN|LOGDIR": _folders,
        "LOGS": _folders,
        "SWEEP": _folders,
        "DIR": _folders,
        "ENV": _environments,
        "METHOD": _methods,
        "TRACKER": _trackers,
        "KEY=VALUE": _settings,
        "KEY=V1,V2": _settings,
    }
    if "--config" in action.option_strings:
        return _configs
    if action.dest == "task" and not action.option_strings:
        return lambda prefix, **_: ["all", *_environments(prefix)]
    return None if action.choices else names.get(str(action.metavar))


def _configs(prefix: str, **_: Any) -> list[str]:
    return [path for path in _beginning_with(prefix) if path.endswith(("/", ".yaml", ".yml"))]


def _folders(prefix: str, **_: Any) -> list[str]:
    return [path for path in _beginning_with(prefix) if path.endswith("/")]


def _beginning_with(prefix: str) -> list[str]:
    """Return the paths that begin so; folders end in a slash."""
    folder, _, beginning = prefix.rpartition("/")
    shown = f"{folder}/" if "/" in prefix else ""
    try:
        entries = sorted(Path(shown or ".").expanduser().iterdir())
    except OSError:
        return []
    visible = [each for each in entries if each.name.startswith(beginning) and (beginning or each.name[0] != ".")]
    return [f"{shown}{each.name}{'/' if each.is_dir() else ''}" for each in visible]


def _environments(_prefix: str, **_: Any) -> list[str]:
    from r2po.tasks import TASKS

    return [*TASKS, *(task.gym_id for task in TASKS.values())]


def _methods(_prefix: str, **_: Any) -> list[str]:
    from r2po.methods import METHODS

    return list(METHODS)


def _trackers(_prefix: str, **_: Any) -> list[str]:
    from r2po.trackers import TRACKERS

    return list(TRACKERS)


def _settings(prefix: str, **_: Any) -> list[str]:
    """Return the keys of a config; after ``key=``, the values that have names."""
    from r2po.config import Config

    key, equals, _rest = prefix.partition("=")
    if not equals:
        return [f"{name}=" for name in Config.model_fields]
    named = {"gym_env_name": _environments, "method": _methods}
    return [f"{key}={value}" for value in named[key](prefix)] if key in named else []
