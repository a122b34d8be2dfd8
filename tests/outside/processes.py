"""Commands in a process of their own, in which nothing is registered."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.process.processes import Completed, environ, finish, start


def run_commands(folder: Path, commands: Sequence[Sequence[str]], **more: str) -> Completed:
    """Run commands one after the other in one process, in a folder (see ``tests/outside/commands.py``)."""
    command = [sys.executable, "-m", "tests.outside.commands"]
    (folder / "commands.json").write_text(json.dumps(commands))
    with (folder / "commands.json").open() as file:
        return finish(start(folder, command, {**environ(), **more}, stdin=file))
