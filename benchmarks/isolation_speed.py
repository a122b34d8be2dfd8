"""What the wall around policies written as code costs: ``python -m benchmarks.isolation_speed``.

Prints how long a worker takes to be ready and its memory, and the steps per second of the reference engine with a
policy of the family ``code`` and with the same function in this process, 20 episodes in lockstep, alternately in one
run: from the first step to the last, and for whole evaluations, to which the start of a worker and the trajectories
that are kept of code belong.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from r2po.isolation.box import Box
from r2po.policies import FunctionPolicy, Policy, Program, Session, make_policy
from r2po.policies.policy import Array
from r2po.rollout import GymnasiumEngine
from r2po.tasks.spaces import read_spaces

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
        "class Policy:\n    def act(self, obs):\n"
        "        return int(obs[2] + 0.3 * obs[3] + 0.05 * obs[0] + 0.1 * obs[1] > 0)",
        lambda obs: int(obs[2] + 0.3 * obs[3] + 0.05 * obs[0] + 0.1 * obs[1] > 0),
    ),
    Case(
        "HalfCheetah-v5",
        300,
        "import numpy as np\nclass Policy:\n    def act(self, obs):\n        return np.sin(obs[:6] * 3.0)",
        lambda obs: np.sin(obs[:6] * 3.0),
    ),
)


class Timed(Policy):
    """A policy that keeps how long its sessions lasted, from their first step on."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.replayable = policy.replayable
        self.seconds = 0.0
        self.step_s: list[float] = []

    def begin(self, seeds: Sequence[int], /) -> Session:
        """Begin a session; what that takes does not count."""
        return _Timed(self._policy.begin(seeds), self)


class _Timed(Session):
    def __init__(self, session: Session, policy: Timed) -> None:
        self._session, self._policy = session, policy
        self._began = time.perf_counter()

    def __call__(self, slots: Sequence[int], observations: Array, /) -> Array:
        started = time.perf_counter()
        actions = self._session(slots, observations)
        self._policy.step_s.append(time.perf_counter() - started)
        return actions

    def close(self) -> None:
        self._policy.seconds = time.perf_counter() - self._began
        self._session.close()


def start_up() -> str:
    """Return how long a worker takes to be ready, and its memory."""
    seconds, megabytes = [], []
    for _ in range(2 * ROUNDS):
        started = time.perf_counter()
        with Box() as box:
            seconds.append(time.perf_counter() - started)
            status = Path(f"/proc/{box.pid}/status").read_text()
            megabytes.append(int(status.split("VmHWM:")[1].split()[0]) / 1024)
    return f"a worker is ready after {median(seconds):.2f} s (worst {max(seconds):.2f}), {max(megabytes):.0f} MB"


def compare(case: Case) -> str:
    """Return the best steps per second behind the wall and in process."""
    spaces = read_spaces(case.gym_id, {})
    engine = GymnasiumEngine(case.gym_id, {}, spaces, max_steps=case.max_steps)
    code = make_policy("code", spaces).bind(Program(case.source))
    behind, here = Timed(code), Timed(FunctionPolicy(lambda rows: np.array([case.act(row) for row in rows])))
    stepping, whole = {behind: 0.0, here: 0.0}, {behind: 0.0, here: 0.0}
    for seed in range(0, ROUNDS * EPISODES, EPISODES):
        for policy in stepping:
            started = time.perf_counter()
            steps = int(engine.evaluate(policy, range(seed, seed + EPISODES)).lengths.sum())
            whole[policy] = max(whole[policy], steps / (time.perf_counter() - started))
            stepping[policy] = max(stepping[policy], steps / policy.seconds)
    engine.close()
    milliseconds = np.percentile(behind.step_s, [50, 99]) * 1e3
    return (
        f"{case.gym_id}: {stepping[behind]:,.0f} steps/s behind the wall, {stepping[here]:,.0f} in process: ratio "
        f"{stepping[behind] / stepping[here]:.2f}; whole evaluations {whole[behind]:,.0f} and {whole[here]:,.0f}: "
        f"ratio {whole[behind] / whole[here]:.2f}; one step of {EPISODES} episodes: median {milliseconds[0]:.2f} ms, "
        f"99 % below {milliseconds[1]:.2f} ms"
    )


if __name__ == "__main__":
    sys.stdout.write(start_up() + "\n")
    for each in CASES:
        sys.stdout.write(compare(each) + "\n")
