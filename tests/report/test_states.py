from __future__ import annotations

import base64

import numpy as np

from r2po.report.packing import Values
from r2po.report.states import MOST, pack_states


def unpacked(packed: Values) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the states as the page computes them."""
    numbers = np.frombuffer(base64.b64decode(packed["q"]), dtype="<i2").reshape(packed["d"], -1).T
    low, high = np.array(packed["lo"]), np.array(packed["hi"])
    states: np.ndarray[tuple[int, int], np.dtype[np.float64]] = low + numbers / 32767 * (high - low)
    return states


def test_states_come_back_to_within_a_step_of_their_range() -> None:
    states = np.random.default_rng(0).normal(size=(101, 4)) * [1, 100, 1e-3, 0]
    found = unpacked(pack_states(states, np.zeros((100, 2))))
    assert np.all(np.abs(found - states) <= np.ptp(states, axis=0) / 32767 + 1e-6 * np.abs(states).max(axis=0))


def test_a_long_rollout_keeps_its_beginning_and_its_end() -> None:
    states = np.arange(1001.0).reshape(-1, 1)
    packed = pack_states(states, np.arange(1000))
    found = unpacked(packed)[:, 0]
    assert packed["T"] == 1000
    assert packed["step"] == 6
    assert len(found) <= MOST
    assert np.allclose(found, [*range(0, 1000, 6), 1000], atol=0.05)
    assert packed["a"][:3] == [0, 6, 12]


def test_numbered_states_are_kept_as_they_are() -> None:
    assert pack_states(np.array([0, 4, 8]), np.array([1, 1])) == {"T": 2, "step": 1, "s": [0, 4, 8], "a": [1, 1]}


def test_actions_of_several_numbers_are_not_drawn() -> None:
    assert "a" not in pack_states(np.zeros((3, 2)), np.zeros((2, 2)))
