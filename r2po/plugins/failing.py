"""Why a plugin does not import, in one line that shows no value of the environment."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

from r2po.errors import InputError, R2POError
from r2po.plugins.finding import Place, shown

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|PWD|CREDENTIAL|AUTH|URL", re.IGNORECASE)
_LEAST, _LEAST_OF_A_SECRET = 8, 3
"""Shorter values are words and numbers such as ``en`` or ``1``, which would garble every message."""
_LONGEST = 300


def failure(place: Place, error: BaseException, roots: Iterable[Path] = ()) -> InputError:
    """Return the error for a plugin that raised another one while it was imported.

    Args:
        place: The plugin.
        error: What it raised.
        roots: Its folders or its file; the innermost line in them is told.
    """
    where = _where(error, list(roots))
    return InputError(f"plugin {place.name!r} does not import: {_told(error)}{f' ({where})' if where else ''}")


def _told(error: BaseException) -> str:
    """Return the kind of an error and the last line of its text."""
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception:  # noqa: BLE001 - an error of the plugin's own, which cannot say what it is
        text = ""
    # First: a value may have several lines.
    lines = [" ".join(line.split()) for line in _without_values(text, os.environ).splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if len(last) > _LONGEST:
        last = f"{last[: _LONGEST - 3]}..."
    if isinstance(error, R2POError):
        return last
    return f"{type(error).__name__}: {last}" if last else type(error).__name__


def _without_values(text: str, environ: Mapping[str, str]) -> str:
    """Return a text with each value of the environment in it replaced by ``$`` and the variable's name."""
    names: dict[str, str] = {}
    for name, value in environ.items():
        if len(value.strip()) >= (_LEAST_OF_A_SECRET if _SECRET.search(name) else _LEAST):
            names |= dict.fromkeys((value, value.strip(), repr(value)[1:-1]), name)
    if not names:
        return text
    longest_first = sorted(names, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda match: f"${names[match[0]]}", text)


def _where(error: BaseException, roots: list[Path]) -> str:
    """Return file and line of the innermost call in the plugin's own files; "" if it was never in them."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown(Path(error.filename))}:{error.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if any(Path(frame.filename).is_relative_to(root) for root in roots)
    ]
    return f"{shown(Path(frames[-1].filename))}:{frames[-1].lineno}" if frames else ""
