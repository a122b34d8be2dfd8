"""What counts as an action. The raw value is looked at: NumPy would turn None into NaN without a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from r2po.isolation import report
from r2po.isolation.protocol import Signature
from r2po.isolation.report import IllegalAction


def read_discrete(actions: Sequence[Any], signature: Signature) -> bytes:
    """Return whole numbers as int64; raise ``IllegalAction`` if one is none or out of range."""
    return np.array([_whole(action, signature) for action in actions], "<i8").tobytes()


def _whole(action: Any, signature: Signature) -> int:
    first, last = signature.first_action, signature.first_action + signature.action_size - 1
    whole = isinstance(action, (int, np.integer, np.bool_)) or (
        isinstance(action, (float, np.floating)) and float(action).is_integer()
    )
    if not (whole and first <= action <= last):
        raise IllegalAction(f"act must return one whole number from {first} to {last}, not {report.shown(action)}")
    return int(action)


def read_continuous(actions: Sequence[Any], signature: Signature) -> bytes:
    """Return vectors as float64; raise ``IllegalAction`` if one has another size or is not finite."""
    size = signature.action_size
    rows = np.empty((len(actions), size))
    for row, action in zip(rows, actions, strict=True):
        row[:] = _vector(action, size)
    if not np.isfinite(rows).all():
        wrong = actions[int(np.argmin(np.isfinite(rows).all(axis=1)))]
        raise IllegalAction(f"act must return finite numbers, not {report.shown(wrong)}")
    return rows.tobytes()


def _vector(action: Any, size: int) -> Any:
    try:
        array = np.asarray(action)
        if array.dtype.kind in "biuf" and array.size == size:
            return array.reshape(size)
    except (TypeError, ValueError):
        pass  # rows of unequal length
    plural = "numbers" if size > 1 else "number"
    raise IllegalAction(f"act must return {size} {plural}, not {report.shown(action)}")
