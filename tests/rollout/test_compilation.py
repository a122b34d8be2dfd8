"""Loading the compiler disturbs no other thread of the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("numba")

SCRIPT = """
import sys
import threading
from importlib import import_module

wrong = []


def load(name):
    while "numba" not in sys.modules:
        pass
    try:
        import_module(name)
    except BaseException as error:
        wrong.append(f"{name}: {error!r}")


loaders = [threading.Thread(target=load, args=(name,)) for name in ("scipy.special", "scipy.stats", "scipy.linalg")]
for thread in loaders:
    thread.start()
import r2po.rollout.compilation
for thread in loaders:
    thread.join()

from r2po.rollout.refusal import kernel_refusal

assert kernel_refusal("CartPole-v1", {}) == ""  # which compiles, and plays a few episodes
assert wrong == [], wrong
"""


@pytest.mark.slow
def test_other_threads_import_scipy_meanwhile() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, timeout=120)


def test_machine_code_is_told_apart_by_all_sources_that_it_is_made_from() -> None:
    from r2po.rollout.compilation import _sources

    names = {f"{path.parent.name}/{path.name}" for path in _sources()}
    assert {"kernels/loop.py", "mujoco/episodes.py", "policies/forms.py", "envs/nim.py", "envs/pong.py"} <= names
