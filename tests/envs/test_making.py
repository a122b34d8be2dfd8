from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import gymnasium
import pytest

from r2po.envs.nim import NimEnv
from r2po.errors import InputError
from r2po.tasks.spaces import read_spaces


@contextmanager
def registered(gym_id: str, entry_point: Any) -> Iterator[str]:
    gymnasium.register(gym_id, entry_point)
    try:
        yield gym_id
    finally:
        del gymnasium.registry[gym_id]


def test_threads_make_environments_one_at_a_time() -> None:
    """Making one imports its code, and packages that threads import side by side are seen half made."""
    inside: list[int] = []
    most = 0

    def slow() -> NimEnv:
        nonlocal most
        inside.append(1)
        most = max(most, len(inside))
        time.sleep(0.01)
        inside.pop()
        return NimEnv()

    with registered("Slow-v0", slow) as gym_id, ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: read_spaces(gym_id, {}), range(12)))
    assert most == 1


def test_twelve_threads_of_a_fresh_process_know_every_environment() -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from r2po.tasks.spaces import read_spaces
ids = ["CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "FrozenLake-v1"] * 3
together = Barrier(12)
def read(gym_id):
    together.wait()
    read_spaces(gym_id, {})
with ThreadPoolExecutor(12) as pool:
    list(pool.map(read, ids))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1:] == []


def test_code_that_cannot_be_imported_is_no_unknown_environment() -> None:
    with (
        registered("Broken-v0", "no_such_package_of_ours:Env") as gym_id,
        pytest.raises(InputError, match="cannot import the code of 'Broken-v0': ModuleNotFoundError: No module named"),
    ):
        read_spaces(gym_id, {})


def test_mujoco_needs_no_graphics_library() -> None:
    """As with MUJOCO_GL=osmesa where there is no OSMesa: importing mujoco fails, though nothing is drawn."""
    pytest.importorskip("mujoco")
    code = "from r2po.tasks.spaces import read_spaces; print(read_spaces('Swimmer-v5', {}).action_size)"
    environ = {**os.environ, "MUJOCO_GL": "nothing-known"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr.splitlines()[-1:]) == ("2\n", [])
