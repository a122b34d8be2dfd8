"""A browser for pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.report.browsing import open_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser; tests that ask for it are skipped where there is none."""
    with open_browser() as found:
        yield found
