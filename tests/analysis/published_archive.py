"""The sample logs of the published code, which do not come with the project.

``R2PO_PUBLISHED_LOGS`` names the archive; by default it is looked for beside the checkout.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest

NAMED = os.environ.get("R2PO_PUBLISHED_LOGS", "")
ARCHIVE = Path(NAMED) if NAMED else Path(__file__).parents[3] / "shared" / "data" / "published_logs.tar.xz"


def published_archive() -> Path:
    """Return the folder with the unpacked sample logs; skip the test where they are not, unless they were named."""
    if NAMED:
        assert ARCHIVE.is_file(), f"R2PO_PUBLISHED_LOGS names {NAMED!r}, which is no file"
    if not ARCHIVE.is_file():
        pytest.skip("the sample logs of the published code are not here")
    return _unpacked()


@cache
def _unpacked() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="published_logs_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    children = list(folder.iterdir())
    return children[0] if len(children) == 1 else folder
