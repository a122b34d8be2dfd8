"""States of a rollout, packed: 16 bits a number, every n-th step, which is finer than a screen."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from r2po.report.packing import Values

MOST = 200
"""So many states of a rollout are kept at most; the page draws between them."""
STEPS = 32767
"""In so many steps the range of a dimension is parted."""


def pack_states(observations: NDArray[Any], actions: NDArray[Any]) -> Values:
    """Pack a rollout of T steps.

    Args:
        observations: (T + 1, d) or, for numbered states, (T + 1,).
        actions: (T, a) or (T,).

    Returns:
        ``T``; ``step``, the distance of the kept states, of which the last one is always kept; numbered states as they
        are in ``s``, else ``d`` columns of little-endian 16-bit numbers in ``q``, with ``lo`` and ``hi`` of each;
        actions in ``a``, if they are one number each.
    """
    length = len(observations) - 1
    step = max(1, math.ceil(length / (MOST - 1)))
    kept = sorted({*range(0, length + 1, step), length})
    packed: Values = {"T": length, "step": step, **_actions(actions, kept)}
    if observations.ndim == 1:
        return {**packed, "s": [int(each) for each in observations[kept]]}
    chosen = np.nan_to_num(observations[kept].astype(np.float64), nan=0.0, posinf=1e30, neginf=-1e30)
    low, high = chosen.min(axis=0), chosen.max(axis=0)
    width = np.where(high > low, high - low, 1.0)
    numbers = np.round((chosen - low) / width * STEPS).astype("<i2")
    return {
        **packed,
        "d": chosen.shape[1],
        "lo": [float(f"{each:.7g}") for each in low],
        "hi": [float(f"{each:.7g}") for each in high],
        "q": base64.b64encode(np.ascontiguousarray(numbers.T).tobytes()).decode(),
    }


def _actions(actions: NDArray[Any], kept: list[int]) -> Values:
    """Return the action that follows each kept state but the last one, if it is a single number."""
    flat = actions.reshape(len(actions), -1)
    if not len(flat) or flat.shape[1] != 1:
        return {}
    chosen = flat[[each for each in kept if each < len(flat)], 0]
    return {"a": [round(float(each), 4) for each in chosen]}
