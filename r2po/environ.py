"""Keys and base URLs: from the environment, and from ``.env`` in the working directory or above."""

from __future__ import annotations

import os
from collections.abc import Mapping

import dotenv


def read_environ() -> Mapping[str, str]:
    """Return the environment's variables; those it does not set are taken from ``.env``.

    ``os.environ`` itself stays as it is, so that keys in ``.env`` never reach child processes.
    """
    file = dotenv.dotenv_values(dotenv.find_dotenv(usecwd=True))
    return {name: value for name, value in file.items() if value is not None} | dict(os.environ)
