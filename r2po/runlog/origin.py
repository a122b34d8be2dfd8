"""What a run was made with: versions of packages, revision of the source."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from r2po.installation import checkout

PACKAGES = ("r2po", "gymnasium", "mujoco", "numpy")
"""What every run depends on."""


def versions(more: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions of Python, of ``PACKAGES`` and of further packages."""
    return {"python": platform.python_version()} | {name: _version(name) for name in (*PACKAGES, *more)}


def _version(name: str) -> str:
    """Return the version of a package; r2po itself may be used from its checkout, without being installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


@cache
def code_revision() -> str | None:
    """Return the git revision of the source tree, with ``+`` if it was changed; None if it is not a checkout.

    An installed package may lie in somebody else's repository, in a virtual environment: that revision says nothing.
    """
    if checkout() is None:
        return None
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],  # noqa: S607 - git by name
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
