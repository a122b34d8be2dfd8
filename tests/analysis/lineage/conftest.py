"""A real run for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codes import Coder, make_code_config, run_code
from tests.texts import Killed


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of policies that are code, during which the process ended."""
    folder = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        run_code(make_code_config("r2po", folder), Coder(killed_at=9), patch)
    return folder / "run_1"
