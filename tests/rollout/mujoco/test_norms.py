"""Norms are rounded as NumPy's BLAS does it on this machine, whichever code that chooses for the processor."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from r2po.rollout.mujoco import engine, norms

CORES = ("Haswell", "SkylakeX", "Prescott")
"""Of these, OpenBLAS rounds each product, only the sum, and in an order of its own; elsewhere they mean nothing."""

COMPARISON = """
from r2po.rollout.mujoco.engine import MujocoEngine, refusal
from r2po.rollout.mujoco.norms import are_fused
from r2po.rollout.refusal import reproduces_gymnasium
for gym_id in ("Reacher-v5", "Pusher-v5"):
    reason = refusal(gym_id, {})
    print(gym_id, are_fused(), reason or reproduces_gymnasium(MujocoEngine, gym_id, {}, range(20), 25), sep=": ")
print("Hopper-v5", refusal("Hopper-v5", {}), sep=": ")
"""


@pytest.mark.parametrize("core", CORES)
@pytest.mark.sampled(3)
def test_with_any_code_of_the_blas_rewards_equal_those_of_gymnasium_or_are_left_to_it(core: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMPARISON],
        env={**os.environ, "OPENBLAS_CORETYPE": core},
        capture_output=True,
        text=True,
        check=True,
    )
    *lines, other = done.stdout.splitlines()
    known = "it does not know how NumPy's BLAS rounds the norm of a vector on this machine"
    assert [line.split(": ", 1)[0] for line in lines] == ["Reacher-v5", "Pusher-v5"]
    for line in lines:
        assert line.endswith((": True: True", ": False: True", f": None: {known}")), line
    assert other == "Hopper-v5: "  # nothing in it is a norm


@pytest.mark.parametrize("size", [2, 3])
def test_what_is_found_out_holds_for_other_vectors(size: int) -> None:
    fused = norms.are_fused()
    if fused is None:
        pytest.skip("this BLAS adds in an order of its own")
    for vector in np.random.default_rng(7).normal(size=(500, size)):
        total = norms._sum_of_squares(vector.tolist(), fused=fused)
        assert math.sqrt(total) == np.linalg.norm(vector)


def test_squares_are_rounded_or_not() -> None:
    # The square of the second is 1 + 2^-26 + 2^-54, whose last term is lost when it is rounded; that of the first is
    # 1.5625 * 2^-54. Only together are they more than half of the last digit, 2^-52.
    vector = [1.25 * 2.0**-27, 1 + 2.0**-27]
    assert norms._sum_of_squares(vector, fused=False) == 1 + 2.0**-26
    assert norms._sum_of_squares(vector, fused=True) == 1 + 2.0**-26 + 2.0**-52


def test_an_unknown_rounding_is_left_to_gymnasium(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "are_fused", lambda: None)
    assert "BLAS" in engine.refusal("Pusher-v5", {})
    assert engine.refusal("InvertedPendulum-v5", {}) == ""
