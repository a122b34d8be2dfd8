"""Seeds by name."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from r2po.seeding import derive_seed

names = st.lists(st.integers(0, 1000) | st.sampled_from(["warmup", "policy", "rollout", "iteration", "heldout"]))


@given(st.integers(0, 2**64), names)
def test_a_seed_fits_gymnasium_and_numpy(run_seed: int, path: list[str | int]) -> None:
    assert 0 <= derive_seed(run_seed, *path) < 2**63


@given(st.integers(0, 1000), st.integers(0, 1000), names, names)
def test_other_names_are_other_seeds(one: int, other: int, path: list[str | int], another: list[str | int]) -> None:
    same = (one, *map(str, path)) == (other, *map(str, another))
    assert (derive_seed(one, *path) == derive_seed(other, *another)) == same


def test_a_known_seed() -> None:
    digest = hashlib.sha256(b"r2po/7/warmup/3/rollout/0").hexdigest()
    assert derive_seed(7, "warmup", 3, "rollout", 0) == int(digest[:16], 16) // 2


def test_another_process_derives_the_same() -> None:
    code = "from r2po.seeding import derive_seed; print(derive_seed(7, 'iteration', 1))"
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) == derive_seed(7, "iteration", 1)
