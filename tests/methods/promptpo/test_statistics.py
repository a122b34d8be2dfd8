"""What is said of an episode without the model's function."""

from __future__ import annotations

import numpy as np

from r2po.methods.promptpo.statistics import describe
from r2po.rollout import Rollout
from tests.builders import make_rollout

VECTORS = Rollout(
    0, np.array([[0.0, 2.0], [1.0, -4.0], [5.0, 5.0]]), np.array([[0.5], [-1.0]]), np.array([1.0, 2.5]), "truncated"
)


def test_vectors() -> None:
    states = "states: first [0, 2], last [5, 5]; mean [2, 1], least [0, -4], largest [5, 5]"
    assert describe(VECTORS, observations_only=True) == f"2 steps, truncated\n{states}"
    assert describe(VECTORS, observations_only=False) == (
        f"return 3.50, 2 steps, truncated\n{states}\nactions: mean [-0.25], least [-1], largest [0.5]"
    )


def test_numbers_of_states() -> None:
    assert describe(make_rollout([1.0, 0.0]), observations_only=False) == (
        "return 1.00, 2 steps, terminated\n"
        "states: first 0, last 2; most often 0 (1 of 3), 1 (1 of 3), 2 (1 of 3)\n"
        "actions: most often 0 (2 of 2)"
    )
