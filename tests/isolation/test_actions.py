"""What counts as an action, and what a model is told of what does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from r2po.isolation.actions import read_continuous, read_discrete
from r2po.isolation.report import IllegalAction
from tests.isolation.boxes import CHOICE, VECTOR


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("action", [1, True, np.int64(1), np.uint8(1), np.bool_(True), 1.0, np.float32(1)])
def test_what_is_a_whole_number(action: Any) -> None:
    assert read_discrete([0, action], CHOICE) == np.array([0, 1]).tobytes()


NONE = [None, 3, -1, 1.5, float("nan"), float("inf"), "1", [1], np.array([1]), 10**100_000, 1j, Unshowable()]


@pytest.mark.parametrize("action", NONE, ids=range(len(NONE)))
def test_what_is_no_whole_number(action: Any) -> None:
    with pytest.raises(IllegalAction, match=r"act must return one whole number from 0 to 2, not .{1,200}$"):
        read_discrete([0, action], CHOICE)


@pytest.mark.parametrize(
    "action", [[1, 2], (1.0, 2.0), np.array([1, 2], np.float32), np.array([[1, 2]]), [True, 2], [np.float64(1), 2]]
)
def test_what_is_a_vector(action: Any) -> None:
    assert read_continuous([[0, 0], action], VECTOR) == np.array([[0.0, 0.0], [1.0, 2.0]]).tobytes()


NO_VECTORS = [
    (None, "2 numbers, not None"),
    ([1.0], "2 numbers, not [1.0]"),
    ([1.0, None], "2 numbers, not [1.0, None]"),
    ([[1.0], [1.0, 2.0]], "2 numbers, not [[1.0], [1.0, 2.0]]"),
    ("ab", "2 numbers, not 'ab'"),
    ([1j, 1j], "2 numbers, not [1j, 1j]"),
    ([10**400, 1], "2 numbers, not [1000"),
    ([0.0] * 10**6, "2 numbers, not [0.0, 0.0, "),
    (Unshowable(), "2 numbers, not a Unshowable"),
    ([1.0, float("nan")], "finite numbers, not [1.0, nan]"),
    ([1.0, 1e400], "finite numbers, not [1.0, inf]"),
]


@pytest.mark.parametrize(("action", "said"), NO_VECTORS, ids=range(len(NO_VECTORS)))
def test_what_is_no_vector(action: Any, said: str) -> None:
    with pytest.raises(IllegalAction) as caught:
        read_continuous([[0, 0], action], VECTOR)
    assert str(caught.value).startswith(f"act must return {said}")
    assert len(str(caught.value)) < 250
