"""The table of kernels names what exists; that they are right is in test_kernel_engine.py."""

from __future__ import annotations

import importlib

import gymnasium
import pytest

from r2po.envs import ENVIRONMENTS
from r2po.rollout.kernels import KERNELS
from r2po.tasks import PUBLISHED, TASKS


@pytest.mark.parametrize("entry_point", KERNELS)
def test_it_names_environments_and_modules_that_exist(entry_point: str) -> None:
    pytest.importorskip("numba")
    module, name = entry_point.split(":")
    assert issubclass(getattr(importlib.import_module(module), name), gymnasium.Env)
    assert importlib.import_module(f"r2po.rollout.kernels.{KERNELS[entry_point]}").KERNEL


def test_our_environments_among_the_ten_have_one() -> None:
    ours = {ENVIRONMENTS[TASKS[name].gym_id][0] for name in PUBLISHED if TASKS[name].gym_id in ENVIRONMENTS}
    assert len(ours) == 3
    assert ours <= set(KERNELS)
