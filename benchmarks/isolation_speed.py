"""What the wall around policies written as code costs: ``python -m benchmarks.isolation_speed``.

Measures how long a worker takes to be ready and its memory, and the steps per second of the reference engine with a
policy of the family ``code`` and with the same function in this process, 20 episodes in lockstep, alternately in one
run: from the first step to the last, and for whole evaluations, to which the start of a worker and the trajectories
that are kept of code belong. Wanted on an idle machine: a worker that is ready in 0.5 s with 60 MB, and 0.6 of the
steps per second.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

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


class StartUp(NamedTuple):
    """What a worker costs before it has a policy: seconds until it is ready, and megabytes."""

    median_s: float
    worst_s: float
    megabytes: float

    def __str__(self) -> str:
        return f"a worker is ready after {self.median_s:.2f} s (worst {self.worst_s:.2f}), {self.megabytes:.0f} MB"


class Row(NamedTuple):
    """Steps per second behind the wall and in process, and milliseconds of one step of all episodes."""

    gym_id: str
    max_steps: int
    behind: float
    here: float
    whole_behind: float
    whole_here: float
    median_ms: float
    slow_ms: float

    def __str__(self) -> str:
        return (
            f"{self.gym_id}: {self.behind:,.0f} steps/s behind the wall, {self.here:,.0f} in process: ratio "
            f"{self.behind / self.here:.2f}; whole evaluations {self.whole_behind:,.0f} and {self.whole_here:,.0f}: "
            f"ratio {self.whole_behind / self.whole_here:.2f}; one step of {EPISODES} episodes: median "
            f"{self.median_ms:.2f} ms, 99 % below {self.slow_ms:.2f} ms"
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


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure everything; returns what JSON can hold."""
    return {
        "load_at_start": round(os.getloadavg()[0], 1),
        "start_up": start_up(2 * rounds)._asdict(),
        "episodes": EPISODES,
        "rows": [compare(case, rounds)._asdict() for case in CASES],
    }


def start_up(times: int = 2 * ROUNDS) -> StartUp:
    """Return how long a worker takes to be ready, and its memory."""
    seconds, megabytes = [], []
    for _ in range(times):
        started = time.perf_counter()
        with Box() as box:
            seconds.append(time.perf_counter() - started)
            status = Path(f"/proc/{box.pid}/status").read_text()
            megabytes.append(int(status.split("VmHWM:")[1].split()[0]) / 1024)
    return StartUp(median(seconds), max(seconds), max(megabytes))


def compare(case: Case, rounds: int = ROUNDS) -> Row:
    """Return the best steps per second behind the wall and in process."""
    spaces = read_spaces(case.gym_id, {})
    engine = GymnasiumEngine(case.gym_id, {}, spaces, max_steps=case.max_steps)
    code = make_policy("code", spaces).bind(Program(case.source))
    behind, here = Timed(code), Timed(FunctionPolicy(lambda rows: np.array([case.act(row) for row in rows])))
    stepping, whole = {behind: 0.0, here: 0.0}, {behind: 0.0, here: 0.0}
    for seed in range(0, rounds * EPISODES, EPISODES):
        for policy in stepping:
            started = time.perf_counter()
            steps = int(engine.evaluate(policy, range(seed, seed + EPISODES)).lengths.sum())
            whole[policy] = max(whole[policy], steps / (time.perf_counter() - started))
            stepping[policy] = max(stepping[policy], steps / policy.seconds)
    engine.close()
    median_ms, slow_ms = (float(value) for value in np.percentile(behind.step_s, [50, 99]) * 1e3)
    rates = stepping[behind], stepping[here], whole[behind], whole[here]
    return Row(case.gym_id, case.max_steps, *rates, median_ms, slow_ms)


if __name__ == "__main__":
    sys.stdout.write(f"{start_up()}\n")
    for each in CASES:
        sys.stdout.write(f"{compare(each)}\n")
