"""What the wall around policies written as code costs: ``python -m benchmarks.isolation_speed``.

Prints how long a worker takes to be ready and its memory, and the steps per second of the reference engine with a code
policy behind the wall and with the same function in this process, 20 episodes in lockstep, alternately in one run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from r2po.isolation.box import Box
from r2po.isolation.protocol import Signature
from r2po.policies import Policy, Session
from r2po.policies.policy import Array, FunctionPolicy
from r2po.rollout import GymnasiumEngine
from r2po.tasks.spaces import Spaces, read_spaces

EPISODES = 20
ROUNDS = 5


class Case(NamedTuple):
    """An environment, and one policy as code and as a function of one observation."""

    gym_id: str
    max_steps: int
    source: str
    act: Callable[[Array], int | Array]


CASES = (
    Case(
        "CartPole-v1",
        500,
        "class Policy:\n    def act(self, obs):\n        return int(obs[2] + 0.3 * obs[3] + 0.05 * obs[0] + 0.1 * obs[1] > 0)",
        lambda obs: int(obs[2] + 0.3 * obs[3] + 0.05 * obs[0] + 0.1 * obs[1] > 0),
    ),
    Case(
        "HalfCheetah-v5",
        300,
        "import numpy as np\nclass Policy:\n    def act(self, obs):\n        return np.sin(obs[:6] * 3.0)",
        lambda obs: np.sin(obs[:6] * 3.0),
    ),
)


class Isolated(Policy):
    """A policy behind the wall; keeps how long each step of all episodes took."""

    def __init__(self, source: str, spaces: Spaces) -> None:
        self._source, self._spaces = source, spaces
        self.step_s: list[float] = []

    def begin(self, seeds: Sequence[int], /) -> Session:
        """Start a worker."""
        spaces = self._spaces
        box = Box()
        box.load(self._source, seeds, Signature(spaces.observation_size, spaces.action_size, spaces.discrete_action))
        return _Isolated(box, spaces, self.step_s)


class _Isolated(Session):
    def __init__(self, box: Box, spaces: Spaces, step_s: list[float]) -> None:
        self._box, self._discrete, self._size, self._step_s = box, spaces.discrete_action, spaces.action_size, step_s

    def __call__(self, slots: Sequence[int], observations: Array, /) -> Array:
        started = time.perf_counter()
        actions = self._box.act(slots, observations.tobytes())
        self._step_s.append(time.perf_counter() - started)
        return np.frombuffer(actions, np.int64) if self._discrete else np.frombuffer(actions).reshape(-1, self._size)

    def close(self) -> None:
        self._box.close()


def start_up() -> str:
    """Return how long a worker takes to be ready, and its memory."""
    seconds, megabytes = [], []
    for _ in range(2 * ROUNDS):
        started = time.perf_counter()
        with Box() as box:
            seconds.append(time.perf_counter() - started)
        if box.usage is not None:
            megabytes.append(box.usage.peak_mb)
    return f"a worker is ready after {median(seconds):.2f} s (worst {max(seconds):.2f}), {max(megabytes):.0f} MB"


def compare(case: Case) -> str:
    """Return steps per second behind the wall and in process; the workers' start is not counted."""
    spaces = read_spaces(case.gym_id, {})
    engine = GymnasiumEngine(case.gym_id, {}, spaces, max_steps=case.max_steps)
    inside = Isolated(case.source, spaces)
    here = FunctionPolicy(lambda rows: np.array([case.act(row) for row in rows]))
    rates: dict[str, list[float]] = {"behind": [], "here": []}
    ready = _ready_s()
    for seed in range(0, ROUNDS * EPISODES, EPISODES):
        seeds = range(seed, seed + EPISODES)
        for name, policy, overhead in (("here", here, 0.0), ("behind", inside, ready)):
            started = time.perf_counter()
            steps = int(engine.evaluate(policy, seeds).lengths.sum())
            rates[name].append(steps / (time.perf_counter() - started - overhead))
    engine.close()
    behind, in_process = max(rates["behind"]), max(rates["here"])
    milliseconds = np.percentile(inside.step_s, [50, 99]) * 1e3
    return (
        f"{case.gym_id}: {behind:,.0f} steps/s behind the wall, {in_process:,.0f} in process: ratio "
        f"{behind / in_process:.2f}; one step of {EPISODES} episodes: median {milliseconds[0]:.2f} ms, "
        f"99 % below {milliseconds[1]:.2f} ms"
    )


def _ready_s() -> float:
    started = time.perf_counter()
    with Box():
        return time.perf_counter() - started


if __name__ == "__main__":
    sys.stdout.write(start_up() + "\n")
    for each in CASES:
        sys.stdout.write(compare(each) + "\n")
