"""The sample logs of the published code, which do not come with the project."""

from __future__ import annotations

import atexit
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest

ARCHIVE = Path(__file__).parents[3] / "shared" / "data" / "published_logs.tar.xz"


def published_archive() -> Path:
    """Return the folder with the unpacked sample logs; skip the test where they are not."""
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
