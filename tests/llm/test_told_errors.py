"""Which answers tell of an error, and the status that it stands for."""

from __future__ import annotations

from typing import Any

import pytest

from r2po.llm.failures import told_error, told_status


@pytest.mark.parametrize("payload", [None, [], "error", 7, {}, {"error": 7}, {"type": "message"}, {"code": 7}])
def test_no_error(payload: Any) -> None:
    assert told_error(payload) is None
    assert told_status(payload) is None


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
        ({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, 400),
        ({"code": 429, "message": "slow down"}, 429),
        ({"error": {"code": True, "message": "no"}}, None),
        ({"error": {"code": 10**400, "message": "no"}}, None),
    ],
)
def test_the_status_of_an_error(payload: Any, code: int | None) -> None:
    assert told_error(payload) == payload
    assert told_status(payload) == code
