"""How much faster than plain Gymnasium the engines are: ``python -m benchmarks.rollout_speed [--mujoco]``.

"Gymnasium" is the loop that anyone would write: ``env.reset(seed=...)``, then a call of the policy and of ``env.step``
per step. "Bare" is the kernel engine's own loop with the same policy in an environment that does nothing, for as many
steps and seeds: what no dynamics could be faster than. All run in turn, so that a change of the machine's speed meets
all; figures are medians over the rounds, seeding included.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from r2po.policies import Policy, clipped, make_policy
from r2po.policies.forms import CompiledForm, TablePolicy
from r2po.rollout import Engine, GymnasiumEngine, Rollouts
from r2po.rollout.compilation import inlined
from r2po.rollout.compiled_engine import Floats, Limits, Outcomes, Trajectory
from r2po.rollout.kernel_engine import KernelEngine
from r2po.rollout.kernels.kernel import Kernel
from r2po.rollout.kernels.loop import play
from r2po.rollout.random_numbers import Stream
from r2po.seeding import derive_seed
from r2po.tasks import TASKS, Task
from r2po.tasks.spaces import Spaces, read_spaces

LONG: Mapping[str, tuple[float, ...]] = {
    "cartpole": (-0.5, 0.5, -1, 1, -6, 6, -3, 3, 0, 0),
    "mountaincar": (0,) * 9,
    "mountaincarcontinuous": (0, 0.5, 0.01),
    "pong": (6, -6, 0, 0, 0, 0, -6, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
}
"""Policies whose episodes run to the limit."""

SHORT = ("cartpole", "frozenlake", "maze", "nim")
RANDOM_POLICIES = 20
ROUNDS = 5


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        environment: Name of the task.
        policies: "long", whose episodes run to the limit, or "random", drawn as a warm-up draws them.
        engine: "kernel" or "reference".
        episodes: K, the episodes per evaluation.
        steps: Steps of one round.
        rate: The engine's steps per second.
        to_gymnasium: The rate over that of the Gymnasium loop, median over the rounds.
        to_bare: The rate over that of the bare loop, likewise.
    """

    environment: str
    policies: str
    engine: str
    episodes: int
    steps: int
    rate: float
    to_gymnasium: float
    to_bare: float


def rows(rounds: int = ROUNDS) -> list[Row]:
    """Measure the kernels and the reference engine."""
    table: list[Row] = []
    for name in LONG:
        table += _measure(TASKS[name], "long", 20, rounds)
    table += _measure(TASKS["cartpole"], "long", 1000, 1)
    for name in SHORT:
        table += _measure(TASKS[name], "random", 20, rounds)
    return table


def _measure(task: Task, kind: str, episodes: int, rounds: int) -> list[Row]:
    spaces = read_spaces(task.gym_id, task.env_kwargs)
    policies = _policies(task, kind, spaces)
    seeds = [[derive_seed(0, task.name, i, k) for k in range(episodes)] for i in range(len(policies))]
    arguments, cap = (task.gym_id, task.env_kwargs, spaces), task.max_traj_length
    assert cap is not None
    engines: list[Engine] = [make(*arguments, max_steps=cap) for make in (KernelEngine, GymnasiumEngine)]
    environment = gymnasium.make(task.gym_id, disable_env_checker=True, **task.env_kwargs)
    evaluations = [engines[0].evaluate(policy, part) for policy, part in zip(policies, seeds, strict=True)]
    runs: list[Callable[[], float]] = [
        lambda: _plain_seconds(environment, policies, seeds, spaces, cap),
        lambda: _bare_seconds(policies, evaluations),
        *(lambda engine=engine: _engine_seconds(engine, policies, seeds) for engine in engines),
    ]
    for run in runs[1:]:
        run()  # compiles
    seconds = np.array([[run() for run in runs] for _ in range(rounds)])
    for engine in engines:
        engine.close()
    environment.close()
    steps = int(sum(rollouts.lengths.sum() for rollouts in evaluations))
    return [
        Row(
            environment=task.name,
            policies=kind,
            engine=engine.name,
            episodes=episodes,
            steps=steps,
            rate=float(np.median(steps / own)),
            to_gymnasium=float(np.median(seconds[:, 0] / own)),
            to_bare=float(np.median(seconds[:, 1] / own)),
        )
        for engine, own in zip(engines, seconds[:, 2:].T, strict=True)
    ]


def _policies(task: Task, kind: str, spaces: Spaces) -> list[Policy]:
    family = make_policy(task.policy, spaces)
    if kind == "long":
        return [clipped(family.bind(LONG[task.name]), spaces)]
    rng = np.random.default_rng(derive_seed(0, "rollout speed", task.name))
    return [clipped(family.bind(family.sample(rng)), spaces) for _ in range(RANDOM_POLICIES)]


def _plain_seconds(
    environment: gymnasium.Env[Any, Any],
    policies: Sequence[Policy],
    seeds: Sequence[Sequence[int]],
    spaces: Spaces,
    cap: int,
) -> float:
    start = time.perf_counter()
    for policy, part in zip(policies, seeds, strict=True):
        for seed in part:
            observation, _ = environment.reset(seed=seed)
            session = policy.begin([seed])
            total, length, over = 0.0, 0, False
            while not over and length < cap:
                action = session([0], np.asarray(observation)[np.newaxis])[0]
                observation, reward, terminated, truncated, _ = environment.step(
                    int(action) if spaces.discrete_action else action
                )
                total += float(reward)
                length += 1
                over = terminated or truncated
    return time.perf_counter() - start


def _engine_seconds(engine: Engine, policies: Sequence[Policy], seeds: Sequence[Sequence[int]]) -> float:
    start = time.perf_counter()
    for policy, part in zip(policies, seeds, strict=True):
        engine.evaluate(policy, part)
    return time.perf_counter() - start


@inlined
def _idle_start(state: Floats, _stream: Stream, _constants: None) -> None:
    state[0] = 0.0


@inlined
def _idle_step(state: Floats, _action: Floats, _stream: Stream, _constants: None) -> tuple[float, bool]:
    return state[0], False


@inlined
def _idle_observe(state: Floats, observation: Floats) -> None:
    observation[0] = state[0]


_IDLE = Kernel(1, lambda _: None, _idle_start, _idle_step, _idle_observe)


def _bare_seconds(policies: Sequence[Policy], evaluations: Sequence[Rollouts]) -> float:
    """Return the seconds of the loop for as many episodes and steps, on average, as the evaluations have."""
    start = time.perf_counter()
    for policy, rollouts in zip(policies, evaluations, strict=True):
        assert isinstance(policy, CompiledForm)
        count = len(rollouts)
        size = 1 if isinstance(policy, TablePolicy) else len(policy.network.weights)
        play(
            _IDLE,
            policy,
            np.array(rollouts.seeds, np.uint64),
            None,
            Limits(max(round(rollouts.lengths.mean()), 1), 10**9),
            Outcomes(np.empty(count), np.empty(count, np.int64), np.empty(count, np.int64)),
            Trajectory(np.empty((1, size)), np.empty((0, 1)), np.empty(0)),
        )
    return time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds of each measurement ({ROUNDS})")
    parser.add_argument("--mujoco", action="store_true", help="also the table of benchmarks.mujoco_speed")
    options = parser.parse_args(arguments)
    print("environment           policies  engine        K    steps     steps/s  to Gymnasium  to bare")
    for row in rows(options.rounds):
        print(
            f"{row.environment:21} {row.policies:9} {row.engine:9} {row.episodes:5} {row.steps:8} {row.rate:11,.0f} "
            f"{row.to_gymnasium:13.1f} {row.to_bare:8.2f}",
            flush=True,
        )
    if options.mujoco:
        from benchmarks import mujoco_speed

        mujoco_speed.main([])


if __name__ == "__main__":
    main()
