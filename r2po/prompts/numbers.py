"""How numbers are written: the same way in every prompt."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROLLOUT_DIGITS = 3


def number(value: float, digits: int = 6) -> str:
    """Write a number with at most ``digits`` significant digits and no negative zero."""
    text = f"{value:.{digits}g}"
    return "0" if text == "-0" else text


def fixed(value: float, decimals: int = 2) -> str:
    """Write a number with exactly ``decimals`` decimals and no negative zero."""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def vectors(values: NDArray[Any]) -> list[str]:
    """Write each row of a (T, d) array as ``[x, y, ...]``, each element of a (T,) array; 3 significant digits."""
    if values.ndim == 1:
        return [number(value, ROLLOUT_DIGITS) for value in values.tolist()]
    if values.shape[1] == 1:
        return vectors(values[:, 0])
    form = "[" + ", ".join([f"%.{ROLLOUT_DIGITS}g"] * values.shape[1]) + "]"
    # Adding zero turns -0.0 into 0.0; a rounded value cannot become a negative zero, since %g keeps its digits.
    return [form % tuple(row) for row in (np.asarray(values) + 0.0).tolist()]
