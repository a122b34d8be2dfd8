"""Commands in a process of their own, in which nothing is registered."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.process.processes import PATIENCE_S, Completed, environ, finish, start


def run_commands(folder: Path, *groups: Sequence[Sequence[str]], **more: str) -> Completed:
    """Run groups of commands one after the other in a folder, each in a process (see ``tests/outside/commands.py``)."""
    command = [sys.executable, "-m", "tests.outside.commands"]
    (folder / "commands.json").write_text(json.dumps(groups))
    with (folder / "commands.json").open() as file:
        process = start(folder, command, {**environ(), **more}, stdin=file)
        return finish(process, PATIENCE_S * sum(map(len, groups)))
