"""Keys and base URLs: from the environment, and from ``.env`` in the working directory or above."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path

import dotenv

from r2po.errors import InputError
from r2po.llm.key_hosts import VARIABLE as KEY_HOSTS

_ROOT = 0
_OF_A_PROVIDER = re.compile(r"\w+_(?:API_KEY|BASE_URL)")


def read_environ(note: Callable[[str], None] = lambda _: None) -> Mapping[str, str]:
    """Return the environment's variables; those it does not set are taken from ``.env``.

    ``os.environ`` itself stays as it is, so that keys in ``.env`` never reach child processes. Which further hosts may
    be sent keys (``R2PO_KEY_HOSTS``) is never taken from ``.env``: one may have come along with somebody else's config.

    Args:
        note: Told which ``.env`` is used, and for which keys and base URLs.

    Raises:
        InputError: ``.env`` cannot be read, or belongs to somebody else: a base URL in it would lead keys astray.
    """
    found = dotenv.find_dotenv(usecwd=True)
    if not found:
        return dict(os.environ)
    path = Path(found)
    try:
        text = _read(path)
    except (OSError, UnicodeDecodeError) as error:
        # Not the error's own text, which may quote the file.
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"cannot read {path}: {reason}") from None
    values = {name: value for name, value in dotenv.dotenv_values(stream=StringIO(text)).items() if value is not None}
    if values.pop(KEY_HOSTS, "") and KEY_HOSTS not in os.environ:
        note(f"{KEY_HOSTS} in {path} has no effect: which hosts may be sent keys is for the environment itself to say")
    used = [name for name in values if _OF_A_PROVIDER.fullmatch(name) and values[name] and name not in os.environ]
    if used:
        note(f"{', '.join(used)}: from {path}")
    return values | dict(os.environ)


def _read(path: Path) -> str:
    _check_owner(path, path.stat().st_uid)  # first: somebody else's pipe would never end
    with path.open(encoding="utf-8") as file:
        _check_owner(path, os.fstat(file.fileno()).st_uid)  # it may have been replaced
        return file.read()


def _check_owner(path: Path, owner: int) -> None:
    if owner not in (os.geteuid(), _ROOT):
        raise InputError(
            f"{path} belongs to {_name(owner)}, not to you, and could send your keys to another server; expected a "
            f".env of your own: make one in {Path.cwd()} (it may be empty), or take over that one"
        )


def _name(user: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(user).pw_name
    except (ImportError, KeyError):
        return f"user {user}"
