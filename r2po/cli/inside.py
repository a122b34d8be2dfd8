"""Other commands, called by a command that is made of several."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from types import ModuleType

from r2po.cli.help import Parser


def options_of(command: str, arguments: Sequence[str], program: str) -> argparse.Namespace:
    """Return the options of a command as its own parser reads them; errors are told as those of ``program``."""
    parser = Parser(command, prog=program, description="")
    _module(command).add_options(parser)
    return parser.parse_args(list(arguments), argparse.Namespace(command=command))


def call(options: argparse.Namespace) -> int:
    """Run a command; what it prints is printed, and what it raises is raised."""
    return int(_module(options.command).run(options))


def call_quietly(command: str, arguments: Sequence[str]) -> list[str]:
    """Run a command that makes files, and return the warnings that it printed."""
    said = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(said):
        call(options_of(command, arguments, f"r2po {command}"))
    lines = [line.strip() for line in said.getvalue().splitlines()]
    return [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]


def _module(command: str) -> ModuleType:
    return import_module(f"r2po.cli.{command.replace('-', '_')}")
