"""Pages are passed on: of paths on the machine on which they are made, only the last part is shown."""

from __future__ import annotations

import re

_PART = r"[^\s/\\'\"`,;:()<>\[\]{}|]+"
_BEGINS = r"(?<![\w/\\.:…-])"
"""Neither within a word nor within an address: ``qwen/qwen3`` is a model, and ``https://host/v1`` is no place here."""
_PATHS = re.compile(
    rf"file:/+(?:{_PART}/+)*(?P<address>{_PART})/*"
    rf"|{_BEGINS}(?:[A-Za-z]:[/\\]+|\\\\)(?:{_PART}[/\\]+)*(?P<windows>{_PART})[/\\]*"
    rf"|{_BEGINS}(?:~\w*|\.\.?)?/+(?:{_PART}/+)*(?P<posix>{_PART})/*"
)
_BEGINNING = r"(?:file:/|~|\.{0,2}/|[A-Za-z]:[/\\]|\\\\)"
_WHOLE = re.compile(rf"{_BEGINNING}.*", re.DOTALL)
"""A value that is a path from its beginning to its end: there may be spaces in it."""
_QUOTED = re.compile(rf"(?P<mark>['\"]){_BEGINNING}[^'\"\n]+(?P=mark)")
"""Likewise, as errors write paths."""
_SEPARATOR = re.compile(r"[/\\]")


def last_part(value: str) -> str:
    """Return a value of which only the last part is left if it is a path, and so for each path in it."""
    return _last(value) if _WHOLE.fullmatch(value) else without_paths(value)


def without_paths(text: str) -> str:
    """Return a text in which of each path only the last part is left."""
    text = _QUOTED.sub(lambda found: f"{found['mark']}{_last(found[0][1:-1])}{found['mark']}", text)
    return _PATHS.sub(lambda found: f"…/{next(filter(None, found.groups()))}", text)


def _last(path: str) -> str:
    return f"…/{_SEPARATOR.split(path.rstrip('/' + chr(92)))[-1]}"
