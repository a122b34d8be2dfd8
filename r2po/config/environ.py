"""Keys and base URLs: from the environment, and from ``.env`` in the working directory or above."""

from __future__ import annotations

import os
from collections.abc import Mapping

import dotenv

from r2po.errors import InputError


def read_environ() -> Mapping[str, str]:
    """Return the environment's variables; those it does not set are taken from ``.env``.

    ``os.environ`` itself stays as it is, so that keys in ``.env`` never reach child processes.

    Raises:
        InputError: ``.env`` cannot be read.
    """
    path = dotenv.find_dotenv(usecwd=True)
    try:
        file = dotenv.dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        # Not the error's own text, which may quote the file.
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"cannot read {path}: {reason}") from None
    return {name: value for name, value in file.items() if value is not None} | dict(os.environ)
