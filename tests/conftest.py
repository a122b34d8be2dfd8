"""What holds for all tests."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

from hypothesis import settings

# A busy machine is no failure: tests of speed set their own limits.
settings.register_profile("r2po", deadline=None)
settings.load_profile("r2po")

LOOPBACK = str(Path(__file__).parent / "loopback")


def stay_on_this_machine() -> None:
    """Let neither this process nor those it starts reach another host; workers of pytest-xdist were started by one."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if LOOPBACK in paths:
        return
    os.environ["PYTHONPATH"] = os.pathsep.join([LOOPBACK, *filter(None, paths)])
    for name in ("http_proxy", "https_proxy", "all_proxy"):  # one on loopback would lead out again
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    runpy.run_path(f"{LOOPBACK}/sitecustomize.py")


stay_on_this_machine()
