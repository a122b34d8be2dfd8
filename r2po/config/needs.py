"""The code that a config asks for: plugins by name, and the module of a Gymnasium id. Asking lets none of it run."""

from __future__ import annotations

import re
from pathlib import Path

from r2po.config.config import Config
from r2po.errors import InputError
from r2po.plugins import allow_import, require

_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")


def check_needs(config: Config, source: str) -> None:
    """Load the plugins that a config asks for, if they are installed or were named by the user.

    Args:
        config: The config.
        source: Its file, for messages; beside it the plugin may lie that the user has not named.

    Raises:
        InputError: One may not run, is not found or does not import.
    """
    folders = [Path(source).parent]
    for name in config.plugins:
        if not _NAME.fullmatch(name):
            raise InputError(f"{source}: plugins names {name!r}; expected names of modules or entry points, not paths")
        require(name, source, folders)
    module, colon, _ = config.gym_env_name.partition(":")
    if colon:
        allow_import(module, source, folders)
