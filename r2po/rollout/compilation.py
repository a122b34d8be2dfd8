"""Compiles functions with numba. numba is optional: this module is imported only where it is installed."""

from __future__ import annotations

import hashlib
import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

# Read by numba when it is imported. Intel's vector library, if installed, rounds differently from Python's math.
os.environ.setdefault("NUMBA_DISABLE_INTEL_SVML", "1")

# Any: numba has annotations for some of its functions only.
_numba: Any = importlib.import_module("numba")
_extending: Any = importlib.import_module("numba.extending")

Function = TypeVar("Function", bound=Callable[..., Any])


def is_disabled() -> bool:
    """Whether numba was told not to compile, by the environment variable ``NUMBA_DISABLE_JIT``."""
    return bool(_numba.config.DISABLE_JIT)


def compiled(function: Function) -> Function:
    """Compile a function at its first call, and keep the machine code on disk for the next process.

    Floating point is as in Python: nothing is reordered, contracted or approximated. Divisions by zero give inf or NaN,
    as numpy does it. The global interpreter lock is free meanwhile.
    """
    with _cache_directory() as directory:
        result: Function = _numba.njit(cache=directory is not None, error_model="numpy", nogil=True)(function)
    return result


def inlined(function: Function) -> Function:
    """Leave a function as it is in Python, and let compiled functions call it."""
    result: Function = _extending.register_jitable(no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return result


def _borrow(_context: Any, array: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        value = context.make_array(array)(context, builder, arguments[0])
        value.meminfo = value.meminfo.type(None)
        value.parent = value.parent.type(None)
        return value._getvalue()

    return array(array), generate


borrowed: Any = _extending.intrinsic(_borrow)
"""In compiled functions: the same array without reference counts, which cost more than a small step does.

Whoever called the outermost compiled function must hold the array.
"""


@contextmanager
def _cache_directory() -> Iterator[str | None]:
    """Point numba to our cache while a function is declared; give None if no directory can be written to."""
    before = _numba.config.CACHE_DIR
    directory = _find_cache_directory(before)
    _numba.config.CACHE_DIR = directory or before
    try:
        yield directory
    finally:
        _numba.config.CACHE_DIR = before


@cache
def _find_cache_directory(base: str) -> str | None:
    """Return a directory for the machine code of the present sources, under numba's own one where it is set.

    numba itself recompiles a function only if its own file changes, not if a file whose functions it calls does.
    """
    home = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    # A directory of temporary files is shared: nobody else's code is loaded from there.
    for parent in [base] if base else [f"{home}/r2po", f"{tempfile.gettempdir()}/r2po-{os.getuid()}"]:
        directory = Path(parent) / _digest_of_sources()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            own = directory.parent.stat().st_uid == os.getuid()
        except OSError:
            continue
        if (base or own) and os.access(directory, os.W_OK):
            return str(directory)
    return None


def _digest_of_sources() -> str:
    digest = hashlib.sha256(_numba.__version__.encode())
    for path in _sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> list[Path]:
    """Return the files that compiled code is made from."""
    here = Path(__file__).parent
    return sorted([*here.rglob("*.py"), here.parent / "policies/forms.py", *here.parent.glob("envs/*.py")])
