"""Kernels that lack a layer, made by a filter that refuses its system calls; and what this one has."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from r2po.isolation.box import in_force

ROOT = Path(__file__).parents[2]

HERE = in_force("limits")

needs_seccomp = pytest.mark.skipif(not HERE.seccomp, reason="this system grants no seccomp")
needs_landlock = pytest.mark.skipif(not HERE.landlock, reason="this kernel has no Landlock, or it is switched off")

_SCRIPT = """
import json, sys
from r2po.errors import R2POError
from r2po.isolation.box import Box
from r2po.isolation.seccomp import ALLOW, EQUAL, LOAD, RETURN, install

refused, asked = sys.argv[1:]
program = [(LOAD, 0, 0, 0)]
if "landlock" in refused:
    program += [(EQUAL, 0, 1, 444), (RETURN, 0, 0, 0x00050000 | ENOSYS)]
if "seccomp" in refused:
    # prctl, and its first argument is PR_SET_SECCOMP
    program += [(EQUAL, 0, 3, PRCTL), (LOAD, 0, 0, 16), (EQUAL, 0, 1, 22), (RETURN, 0, 0, 0x00050000 | EINVAL)]
install([*program, (RETURN, 0, 0, ALLOW)])
try:
    with Box(asked) as box:
        print(json.dumps(box.in_force.record()))
except R2POError as error:
    print(json.dumps([type(error).__name__, error.exit_code, str(error)]))
"""


def without(refused: str, asked: str) -> Any:
    """Start a box where these layers are refused; return its record, or name, exit code and text of the error."""
    import platform

    prctl = {"x86_64": 157, "aarch64": 167}[platform.machine()]
    script = f"ENOSYS, EINVAL, PRCTL = {errno.ENOSYS}, {errno.EINVAL}, {prctl}\n{_SCRIPT}"
    command = [sys.executable, "-c", script, refused, asked]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
