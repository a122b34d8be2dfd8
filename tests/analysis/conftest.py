"""What tests of analyses share."""

from __future__ import annotations

from collections.abc import Sequence

import pytest


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reports have empty figures: drawing takes most of the time, and most tests look at texts and numbers."""

    def render(_draw: object, _panel: object, suffixes: Sequence[str]) -> dict[str, bytes]:
        return dict.fromkeys(suffixes, b"")

    monkeypatch.setattr("r2po.analysis.evaluation.report.render", render)
