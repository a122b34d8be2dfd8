"""A process of its own for each test, as far as plugins are concerned."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from r2po.plugins import loading


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder; what a test imports and looks in is forgotten after it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("R2PO_PLUGINS", raising=False)
    monkeypatch.setattr(loading, "_state", loading.State())
    # Not what tests are started with: "" or the repository may be where modules are looked for.
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", str(tmp_path))])
    yield
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
