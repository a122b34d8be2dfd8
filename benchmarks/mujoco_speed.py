"""How close the MuJoCo engine comes to MuJoCo itself: ``python -m benchmarks.mujoco_speed``.

The measure is control steps per second, in evaluations of 20 episodes. "Bare" is a Python loop of
``mujoco.mj_step(model, data, nstep=frame_skip)``, once per control step, through the states of the same episodes, and
nothing else: no seeding, policy, observation or reward. "Gymnasium" is the loop that anyone would write. These three
have one thread, and their time is that of the processor, to which waiting for it does not count. Two threads are
compared with one by the clock, which means something on two idle cores only. All run in turn, so that a change of the
machine's speed meets all; figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import mujoco  # type: ignore[import-untyped]
import numpy as np

from r2po.policies import Policy, clipped, make_policy
from r2po.rollout import Rollout
from r2po.rollout.mujoco.engine import MujocoEngine
from r2po.seeding import derive_seed
from r2po.tasks.spaces import Spaces, read_spaces

GOOD: Mapping[str, tuple[float, ...]] = {
    "InvertedPendulum-v5": (0.4, 4.5, 0.5, 2.0, -0.2),
    "InvertedDoublePendulum-v5": (-0.1, -0.8, -3.8, 0.0, 0.0, -0.2, -0.5, -0.5, 0.0, 0.0),
    "Swimmer-v5": (
        *(0.5, -1.9, -2.3, 0.7, -0.3, -0.6, 3.6, -1.8, 2.2, 0.1, -5.0, -1.4, -0.4, 5.7, -1.2, -1.7, -3.7, -1.1),
    ),
}
"""Policies whose episodes are long, where those of random policies are not."""

OTHERS = tuple(
    f"{name}-v5"
    for name in ["HalfCheetah", "Hopper", "Walker2d", "Reacher", "Pusher", "Ant", "Humanoid", "HumanoidStandup"]
)
ENVIRONMENTS = (*GOOD, *OTHERS)

CAPS: Mapping[str, int] = {"Ant-v5": 200, "Humanoid-v5": 200, "HumanoidStandup-v5": 200}
"""Steps after which the slowest are cut: their episodes would take a minute."""

EPISODES = 20
RANDOM_POLICIES = 20
ROUNDS = 9
# With so many steps in a round, no further random policies are needed.
_ENOUGH_STEPS = 2000


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        environment: Its id.
        policies: "random", drawn as a warm-up draws them, or "good".
        steps: Control steps of one round.
        rate: Control steps per second of the processor with one thread.
        to_bare: Median over the rounds of the rate over that of bare ``mj_step``.
        to_gymnasium: Median over the rounds of the rate over that of the Gymnasium loop.
        two_threads: Median over the rounds of the time with one thread over that with two, by the clock; NaN on one
            core.
        load: Load of the machine afterwards, which counts this process too.
    """

    environment: str
    policies: str
    steps: int
    rate: float
    to_bare: float
    to_gymnasium: float
    two_threads: float
    load: float


class Bench:
    """The same evaluations by the engine, by MuJoCo alone and by Gymnasium."""

    def __init__(self, gym_id: str, kind: str) -> None:
        spaces = read_spaces(gym_id, {})
        self.cap = CAPS.get(gym_id, 1000)
        self.one, self.two = (
            MujocoEngine(gym_id, {}, spaces, max_steps=self.cap, threads=threads) for threads in (1, 2)
        )
        self.environment = gymnasium.make(gym_id, disable_env_checker=True)
        self.policies: list[Policy] = []
        self.seeds: list[list[int]] = []
        self.episodes: list[Rollout] = []
        for number, policy in enumerate(_policies(gym_id, kind, spaces)):
            seeds = [derive_seed(0, gym_id, number, episode) for episode in range(EPISODES)]
            self.policies.append(policy)
            self.seeds.append(seeds)
            self.episodes += self.one.evaluate(policy, seeds)
            if self.steps > _ENOUGH_STEPS:
                break

    @property
    def steps(self) -> int:
        """Control steps of all episodes."""
        return sum(episode.length for episode in self.episodes)

    def run_engine(self, engine: MujocoEngine) -> tuple[float, float]:
        """Return an engine's seconds of the processor and by the clock, seeding included."""
        start = time.process_time(), time.perf_counter()
        for policy, seeds in zip(self.policies, self.seeds, strict=True):
            engine.evaluate(policy, seeds)
        return time.process_time() - start[0], time.perf_counter() - start[1]

    def run_bare(self) -> float:
        """Return the seconds of ``mj_step`` alone."""
        return sum(self._step_through(episode) for episode in self.episodes)

    def _step_through(self, episode: Rollout) -> float:
        """Time the steps of an episode, less what it takes to hand over the actions."""
        self.environment.reset(seed=episode.seed)
        base: Any = self.environment.unwrapped
        model, data, frames, control = base.model, base.data, base.frame_skip, base.data.ctrl
        start = time.process_time()
        for action in episode.actions:
            control[:] = action
        handing = time.process_time() - start
        start = time.process_time()
        for action in episode.actions:
            control[:] = action
            mujoco.mj_step(model, data, nstep=frames)
        seconds = time.process_time() - start
        mujoco.mj_rnePostConstraint(model, data)  # outside the measure: some observations need it
        assert np.array_equal(base._get_obs(), episode.observations[-1]), "not the same states"
        return seconds - handing

    def run_gymnasium(self) -> float:
        """Return the seconds of a plain Gymnasium loop."""
        start = time.process_time()
        for policy, seeds in zip(self.policies, self.seeds, strict=True):
            for seed in seeds:
                self._gymnasium_episode(policy, seed)
        return time.process_time() - start

    def _gymnasium_episode(self, policy: Policy, seed: int) -> None:
        observation, _ = self.environment.reset(seed=seed)
        session = policy.begin([seed])
        for _ in range(self.cap):
            action = session([0], observation[np.newaxis])[0]
            observation, _, terminated, truncated, _ = self.environment.step(action)
            if terminated or truncated:
                return

    def seconds(self) -> tuple[float, ...]:
        """Return the seconds of one round: one thread, bare, Gymnasium; by the clock, one thread and two."""
        processor, clock = self.run_engine(self.one)
        _, clock_of_two = self.run_engine(self.two)
        return processor, self.run_bare(), self.run_gymnasium(), clock, clock_of_two


def measure(gym_id: str, policies: str, rounds: int) -> Row:
    """Measure one line of the table."""
    bench = Bench(gym_id, policies)
    bench.run_engine(bench.two)
    seconds = np.array([bench.seconds() for _ in range(rounds)])
    ratios = np.median(seconds / seconds[:, :1], axis=0)
    return Row(
        environment=gym_id,
        policies=policies,
        steps=bench.steps,
        rate=bench.steps / float(np.median(seconds[:, 0])),
        to_bare=float(ratios[1]),
        to_gymnasium=float(ratios[2]),
        two_threads=float(np.median(seconds[:, 3] / seconds[:, 4])) if (os.cpu_count() or 1) > 1 else math.nan,
        load=round(os.getloadavg()[0], 1),
    )


def _policies(gym_id: str, kind: str, spaces: Spaces) -> list[Policy]:
    family = make_policy("linear", spaces)
    if kind == "good":
        return [clipped(family.bind(GOOD[gym_id]), spaces)]
    generator = np.random.default_rng(derive_seed(0, "random policies", gym_id))
    return [clipped(family.bind(family.sample(generator)), spaces) for _ in range(RANDOM_POLICIES)]


def mujoco_rows(*, rounds: int = ROUNDS, environments: Sequence[str] = ENVIRONMENTS) -> list[Row]:
    """Measure all environments with random policies, and some also with good ones."""
    return [
        measure(gym_id, policies, rounds)
        for gym_id in environments
        for policies in (("random", "good") if gym_id in GOOD else ("random",))
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"repetitions of everything ({ROUNDS})")
    parser.add_argument("--only-env", action="append", choices=ENVIRONMENTS, help="an environment; may be repeated")
    options = parser.parse_args(arguments)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, mujoco {mujoco.__version__}, numpy {np.__version__}")
    print(
        f"{'environment':27}{'policies':>9}{'steps':>8}{'steps/s':>9}{'/bare':>8}{'/Gymnasium':>12}{'2 threads':>11}"
        f"{'load':>7}"
    )
    for gym_id in options.only_env or ENVIRONMENTS:
        for row in mujoco_rows(rounds=options.rounds, environments=[gym_id]):
            print(
                f"{row.environment:27}{row.policies:>9}{row.steps:>8}{row.rate:>9.0f}{row.to_bare:>8.2f}"
                f"{row.to_gymnasium:>12.2f}{row.two_threads:>11.2f}{row.load:>7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
