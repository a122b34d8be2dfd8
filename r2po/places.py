"""Paths as people write them, in configs and options: ``~`` and ``$NAME`` are filled in, and what cannot be is said."""

from __future__ import annotations

import os
import re

from r2po.errors import InputError, nearest

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))")
_LONGEST = 80


def expanded(text: str, what: str, *, variables: bool = True) -> str:
    """Return a path with ``~`` and, in what no shell has read, ``$NAME`` and ``${NAME}`` filled in.

    Raises:
        InputError: There is no such user or variable, or there can be no such path; ``what`` is its name in messages.
    """
    found = f"{what} is {_short(text)!r}"
    check_text(text, what)
    path = _VARIABLE.sub(lambda match: _variable(match, found), text) if variables else text
    if path.startswith("~"):
        path = os.path.expanduser(path)  # noqa: PTH111 - pathlib drops the end of a user that there is not
        if path.startswith("~"):
            user = path[1:].partition("/")[0]
            raise InputError(f"{found}; there is no user {user!r}; ./{_short(path)} is a folder of that name")
    # Below a folder that there is not yet, only the names can be looked at.
    problem = next(filter(None, map(_problem, (path, *path.split("/")))), None)
    if problem:
        raise InputError(f"{found}; {problem}")
    return path


def _problem(path: str) -> str:
    """Say why there can be no such path, or none for us; empty if it is there, or might be."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""  # it may be made, or missed with a better message
    except OSError as error:
        return error.strerror or str(error)
    return ""


def check_text(text: str, what: str) -> None:
    """Refuse characters that neither a path nor a log can hold.

    Raises:
        InputError: There is one.
    """
    odd = next((each for each in text if each == "\0" or "\ud800" <= each <= "\udfff"), None)
    if odd is not None:
        raise InputError(f"{what} is {_short(text)!r}; expected a text without {odd!r}, which no file can hold")


def _variable(match: re.Match[str], found: str) -> str:
    name = match[1] or match[2]
    if name in os.environ:
        return os.environ[name]
    if match[1] or match[0] in match.string.split("/"):
        raise InputError(f"{found}; there is no environment variable {name!r}{nearest(name, os.environ)}")
    return match[0]  # a dollar sign in a name, as in ``my $logs``


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
