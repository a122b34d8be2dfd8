"""How close the MuJoCo engine comes to MuJoCo itself: ``python -m benchmarks.mujoco_speed``.

The measure is control steps per second. "Bare" is a Python loop of ``mujoco.mj_step(model, data, nstep=frame_skip)``,
once per control step, through the states of the same episodes, and nothing else: no seeding, policy, observation or
reward. "Gymnasium" is the loop that anyone would write. All run in turn, so that a change of the machine's speed meets
all; figures are medians over the rounds. Two threads mean something on two idle cores only.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import mujoco  # type: ignore[import-untyped]
import numpy as np

from r2po.policies import Policy, clipped, make_policy
from r2po.rollout import Rollout
from r2po.rollout.mujoco.engine import MujocoEngine
from r2po.seeding import derive_seed
from r2po.tasks import TASKS, Task
from r2po.tasks.spaces import Spaces, read_spaces

GOOD: Mapping[str, tuple[float, ...]] = {
    "invertedpendulum": (0.4, 4.5, 0.5, 2.0, -0.2),
    "inverteddoublependulum": (-0.1, -0.8, -3.8, 0.0, 0.0, -0.2, -0.5, -0.5, 0.0, 0.0),
    "swimmer": (0.5, -1.9, -2.3, 0.7, -0.3, -0.6, 3.6, -1.8, 2.2, 0.1, -5.0, -1.4, -0.4, 5.7, -1.2, -1.7, -3.7, -1.1),
}
"""Policies whose episodes are long."""

RANDOM_POLICIES = 20
ROUNDS = 9


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        environment: Name of the task.
        policies: "random", drawn as a warm-up draws them, or "good".
        episodes: K, the episodes per evaluation.
        threads: Threads of the engine.
        steps: Control steps of one round.
        rate: The engine's control steps per second.
        to_bare: Median over the rounds of the rate over that of bare ``mj_step``.
        to_gymnasium: Median over the rounds of the rate over that of the Gymnasium loop; NaN if not measured.
    """

    environment: str
    policies: str
    episodes: int
    threads: int
    steps: int
    rate: float
    to_bare: float
    to_gymnasium: float


class Bench:
    """The same evaluations by the engine, by MuJoCo alone and by Gymnasium."""

    def __init__(self, task: Task, policies: Sequence[Policy], episodes: int, threads: int, spaces: Spaces) -> None:
        self.policies = policies
        self.seeds = [
            [derive_seed(0, task.name, number, episode) for episode in range(episodes)]
            for number in range(len(policies))
        ]
        arguments: Any = task.env_kwargs
        self.engine = MujocoEngine(task.gym_id, arguments, spaces, max_steps=task.max_traj_length, threads=threads)
        self.environment = gymnasium.make(task.gym_id, disable_env_checker=True, **arguments)
        self.cap = task.max_traj_length
        self.episodes = [
            episode
            for policy, seeds in zip(policies, self.seeds, strict=True)
            for episode in self.engine.evaluate(policy, seeds)
        ]

    @property
    def steps(self) -> int:
        """Control steps of all episodes."""
        return sum(episode.length for episode in self.episodes)

    def run_engine(self) -> float:
        """Return the engine's seconds, seeding included."""
        start = time.perf_counter()
        for policy, seeds in zip(self.policies, self.seeds, strict=True):
            self.engine.evaluate(policy, seeds)
        return time.perf_counter() - start

    def run_bare(self) -> float:
        """Return the seconds of ``mj_step`` alone."""
        return sum(self._step_through(episode) for episode in self.episodes)

    def _step_through(self, episode: Rollout) -> float:
        """Time the steps of an episode, less what it takes to hand over the actions."""
        self.environment.reset(seed=episode.seed)
        base: Any = self.environment.unwrapped
        model, data, frames, control = base.model, base.data, base.frame_skip, base.data.ctrl
        start = time.perf_counter()
        for action in episode.actions:
            control[:] = action
        handing = time.perf_counter() - start
        start = time.perf_counter()
        for action in episode.actions:
            control[:] = action
            mujoco.mj_step(model, data, nstep=frames)
        seconds = time.perf_counter() - start
        assert np.array_equal(base._get_obs(), episode.observations[-1]), "not the same states"
        return seconds - handing

    def run_gymnasium(self) -> float:
        """Return the seconds of a plain Gymnasium loop."""
        start = time.perf_counter()
        for policy, seeds in zip(self.policies, self.seeds, strict=True):
            for seed in seeds:
                self._gymnasium_episode(policy, seed)
        return time.perf_counter() - start

    def _gymnasium_episode(self, policy: Policy, seed: int) -> None:
        observation, _ = self.environment.reset(seed=seed)
        session = policy.begin([seed])
        for _ in range(self.cap):
            action = session([0], observation[np.newaxis])[0]
            observation, _, terminated, truncated, _ = self.environment.step(action)
            if terminated or truncated:
                return


def measure(name: str, policies: str, episodes: int, threads: int, rounds: int) -> Row:
    """Measure one line of the table."""
    task = TASKS[name]
    spaces = read_spaces(task.gym_id, task.env_kwargs)
    bench = Bench(task, _policies(task, policies, spaces), episodes, threads, spaces)
    runs: tuple[Callable[[], float], ...] = (bench.run_engine, bench.run_bare)
    if threads == 1:
        runs += (bench.run_gymnasium,)
    seconds = np.array([[run() for run in runs] for _ in range(rounds)])
    ratios = np.median(seconds / seconds[:, :1], axis=0)
    return Row(
        environment=name,
        policies=policies,
        episodes=episodes,
        threads=threads,
        steps=bench.steps,
        rate=bench.steps / float(np.median(seconds[:, 0])),
        to_bare=float(ratios[1]),
        to_gymnasium=float(ratios[2]) if threads == 1 else math.nan,
    )


def _policies(task: Task, kind: str, spaces: Spaces) -> list[Policy]:
    family = make_policy("linear", spaces)
    if kind == "good":
        return [clipped(family.bind(GOOD[task.name]), spaces)]
    generator = np.random.default_rng(derive_seed(0, "random policies", task.name))
    count = 1 if task.name == "swimmer" else RANDOM_POLICIES
    return [clipped(family.bind(family.sample(generator)), spaces) for _ in range(count)]


def mujoco_rows(*, rounds: int = ROUNDS, environments: Sequence[str] = tuple(GOOD)) -> list[Row]:
    """Measure one thread with 20 episodes per evaluation, and one and two threads with 100."""
    return [
        measure(name, policies, episodes, threads, rounds)
        for name in environments
        for policies in ("random", "good")
        for episodes, threads in ((20, 1), (100, 1), (100, 2))
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"repetitions of everything ({ROUNDS})")
    parser.add_argument("--only-env", action="append", choices=list(GOOD), help="a task; may be repeated")
    options = parser.parse_args(arguments)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, mujoco {mujoco.__version__}, numpy {np.__version__}")
    print(
        f"{'environment':24}{'policies':>9}{'K':>5}{'threads':>8}{'steps':>8}{'steps/s':>9}{'/bare':>8}{'/Gymnasium':>12}"
    )
    for name in options.only_env or GOOD:
        for row in mujoco_rows(rounds=options.rounds, environments=[name]):
            print(
                f"{row.environment:24}{row.policies:>9}{row.episodes:>5}{row.threads:>8}{row.steps:>8}{row.rate:>9.0f}"
                f"{row.to_bare:>8.2f}{row.to_gymnasium:>12.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
