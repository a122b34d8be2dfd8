"""Tells whether functions can be compiled here, without loading numba where it is not needed."""

from __future__ import annotations

import importlib.util


def compilation_refusal() -> str:
    """Return why nothing can be compiled on this machine; "" if functions can."""
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed (pip install 'r2po[fast]')"
    try:
        from r2po.rollout.compilation import is_disabled
    except Exception as error:  # noqa: BLE001 - a numba that does not fit the NumPy beside it raises what it likes
        return f"numba cannot be imported: {' '.join(str(error).split()) or type(error).__name__}"
    return "NUMBA_DISABLE_JIT is set" if is_disabled() else ""
