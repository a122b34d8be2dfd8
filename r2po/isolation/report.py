"""What the worker says of a policy that failed: short, in the policy's own lines, the same each time."""

from __future__ import annotations

import errno
import re
import traceback
from types import TracebackType

from r2po.isolation.constants import BadConstants
from r2po.isolation.episode import FILE, Forbidden, NoPolicy
from r2po.isolation.limits import TEXT_BYTES
from r2po.isolation.protocol import KINDS, FailureKind

FRAMES = 8
"""Lines of a traceback that are shown at most, from its end."""
_LINE_END = re.compile(r"\r\n|\r|\n")
_REFUSED = {errno.EPERM, errno.EACCES, errno.EMFILE, errno.ENFILE}


class IllegalAction(Exception):
    """What ``act`` returned is no action."""


def kind_of(error: BaseException) -> FailureKind:
    """Return which failure an exception is."""
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, IllegalAction):
        return "action"
    if isinstance(error, (NoPolicy, BadConstants)):
        return "policy"
    if isinstance(error, Forbidden) or (isinstance(error, OSError) and error.errno in _REFUSED):
        return "forbidden"
    return "error"


def failure(error: BaseException, source: str, step: int, place: str = "step {} of an episode") -> bytes:
    """Return the content of a frame ``FAILURE``.

    Args:
        error: What ended the policy.
        source: Its source.
        step: Number of the step, from 1; 0 before the first.
        place: What such a number counts.
    """
    kind = kind_of(error)
    if kind == "memory":
        traceback.clear_frames(error.__traceback__)  # their variables hold the memory
    when = f"In {place.format(step)}:\n" if step else ""
    lines = [] if kind in {"action", "policy"} else _lines(error.__traceback__, source)
    return pack(kind, when + "".join(lines) + _said(error))


def syntax_failure(error: BaseException, source: str) -> bytes:
    """Return the content of a frame ``FAILURE`` for a source that Python cannot read."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    message = error.msg if isinstance(error, SyntaxError) else "the source is too deeply nested or no text"
    if "\0" in source:  # Python 3.10 and 3.11 raise something else than later ones
        message = "source code string cannot contain null bytes"
    shown = _line(source, line) if line else ""
    where = f"line {line}\n{shown}" if line else ""
    return pack("syntax", f"{where}{type(error).__name__}: {message}")


def pack(kind: FailureKind, text: str) -> bytes:
    """Return the content of a frame ``FAILURE``: the kind's number and the text."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > TEXT_BYTES:  # its end says most
        encoded = b"...\n" + encoded[4 - TEXT_BYTES :]
    return bytes([KINDS.index(kind)]) + encoded


def _lines(trace: TracebackType | None, source: str) -> list[str]:
    frames = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILE:
            frames.append((trace.tb_lineno or 0, trace.tb_frame.f_code.co_name))
        trace = trace.tb_next
    shown = [f"line {number}, in {name}\n{_line(source, number)}" for number, name in frames[-FRAMES:]]
    return ["...\n", *shown] if len(frames) > FRAMES else shown


def _line(source: str, number: int) -> str:
    lines = _LINE_END.split(source)  # str.splitlines also splits at characters that end no line for Python
    return f"    {lines[number - 1].strip()[:200]}\n" if 0 < number <= len(lines) else ""


def _said(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - the policy's own code runs here
        text = "(it cannot be shown)"
    return f"{type(error).__name__}: {text[:600]}" if text else type(error).__name__


def shown(value: object) -> str:
    """Return a value as a text of at most 200 characters."""
    try:
        return repr(value)[:200]
    except Exception:  # noqa: BLE001 - the policy's own code runs here
        return f"a {type(value).__name__}"
