"""Runs that trackers follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trackers.runs import Make, make_run


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a small run below the folder of the test."""

    def made(*names: str, name: str = "exp", **values: Any) -> Path:
        return make_run(tmp_path / "logs" / name, *names, **values)

    return made


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run that no tracker has seen."""
    return make_run(tmp_path_factory.mktemp("finished") / "logs/exp")
