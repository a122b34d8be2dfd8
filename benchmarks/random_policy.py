"""Measure the random policy of every task, the 0 of normalised scores: ``python -m benchmarks.random_policy``.

The figures stand as ``random_reward`` on the task cards. They are those of the default settings of a task: policy
family, cap and arguments of the environment.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from r2po.policies import clipped, make_policy
from r2po.rollout import select_engine
from r2po.seeding import derive_seed
from r2po.tasks import TASKS, Task
from r2po.tasks.spaces import read_spaces

POLICIES = 1_000
SEED = 0


def random_returns(task: Task, policies: int, seed: int) -> NDArray[np.float64]:
    """Return (policies,) returns of random policies, drawn as a warm-up draws them, one episode each."""
    assert task.max_traj_length is not None
    spaces = read_spaces(task.gym_id, task.env_kwargs)
    family = make_policy(task.policy, spaces)
    engine = select_engine(
        "auto", task.gym_id, task.env_kwargs, spaces, max_steps=task.max_traj_length, reuse=task.reuse
    )
    returns = np.empty(policies)
    for number in range(policies):
        generator = np.random.default_rng(derive_seed(seed, "random policy", task.name, number))
        policy = clipped(family.bind(family.sample(generator)), spaces)
        episode = derive_seed(seed, "random policy", task.name, number, "episode")
        returns[number] = engine.evaluate(policy, [episode]).mean
    engine.close()
    return returns


def main(arguments: Sequence[str] | None = None) -> None:
    """Print mean and standard error for each task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", type=int, default=POLICIES, help=f"random policies per task ({POLICIES})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"seed of all of them ({SEED})")
    parser.add_argument("--only-env", action="append", choices=list(TASKS), help="a task; may be repeated")
    options = parser.parse_args(arguments)
    for name in options.only_env or TASKS:
        returns = random_returns(TASKS[name], options.policies, options.seed)
        error = returns.std(ddof=1) / options.policies**0.5
        print(f"{name:24} random_reward={returns.mean():<12.4g} standard error {error:.2g}", flush=True)


if __name__ == "__main__":
    main()
