"""Compiling functions with numba, which is optional: import this module, and those built on it, only where it is there."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

# Read by numba when it is imported. Intel's vector library, where it is installed, rounds otherwise than Python's math.
os.environ.setdefault("NUMBA_DISABLE_INTEL_SVML", "1")

import numba
from numba.core import config as numba_config
from numba.extending import intrinsic, register_jitable

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function at its first call, and keep the machine code on disk for the next process.

    Floating point is as in Python: nothing is reordered, contracted or approximated. Divisions by zero give inf or NaN,
    as numpy does it.
    """
    with _cache_directory() as directory:
        result: Function = numba.njit(cache=directory is not None, error_model="numpy", nogil=True)(function)
    return result


def inlined(function: Function) -> Function:
    """Leave a function as it is in Python, and let compiled functions call it."""
    result: Function = register_jitable(function)
    return result


@intrinsic
def borrowed(_context: Any, array: Any) -> Any:
    """In compiled functions: return the array without its reference count, whose upkeep costs more than a small step.

    Whoever called the outermost compiled function must hold the array.
    """

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        value = context.make_array(array)(context, builder, arguments[0])
        value.meminfo = value.meminfo.type(None)
        value.parent = value.parent.type(None)
        return value._getvalue()  # noqa: SLF001 - so numba calls it

    return array(array), generate


@contextmanager
def _cache_directory() -> Iterator[str | None]:
    """Point numba to our cache while a function is declared; give None where no directory can be written to."""
    before = numba_config.CACHE_DIR
    directory = _find_cache_directory(before)
    numba_config.CACHE_DIR = directory or before
    try:
        yield directory
    finally:
        numba_config.CACHE_DIR = before


@cache
def _find_cache_directory(base: str) -> str | None:
    """Return a directory for the machine code of the present sources.

    numba itself compiles anew only if the file of the function changed, not if one did that it calls.
    """
    home = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    for parent in [base] if base else [home, tempfile.gettempdir()]:
        directory = Path(parent) / f"r2po-{os.getuid() if hasattr(os, 'getuid') else 0}" / _digest_of_sources()
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(directory, os.W_OK):
            return str(directory)
    return None


def _digest_of_sources() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
