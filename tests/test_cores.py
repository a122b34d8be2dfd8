"""How many cores an evaluation may use."""

from __future__ import annotations

import os

import pytest

from r2po import cores


def test_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {1, 5, 6}, raising=False)
    assert cores.available() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert cores.available() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores.available() == 1


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (3, 3), (9, 4), (0, 1)])
def test_a_limit(limit: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "available", lambda: 4)
    monkeypatch.setattr(cores, "_most", None)
    assert cores.per_evaluation() == 4
    cores.limit(limit)
    assert cores.per_evaluation() == expected
